// `--start`: replays a restored directory to its target behind closed doors, proves it, then opens it.
import { chmod, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import type { Environment } from '../../base/environment.ts'
import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import { DAY_MS } from '../../base/units.ts'
import type { Manifest } from '../../repository/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import {
  endServer,
  findBinaries,
  runServer,
  type PostgresBinaries,
  type StartedServer,
} from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { spoolName } from '../get/ahead/spool.ts'
import type { Owner } from '../restore/owner.ts'
import { endScriptName } from '../restore/end-script.ts'
import { withoutRecovery } from '../restore/settings.ts'
import { writeOwned } from '../restore/small-files.ts'
import { closedHbaName } from '../restore/unfinished.ts'
import type { StopPoint } from '../target/resolve.ts'
import { findUser, type PrivateServer } from './connect.ts'
import { lastComplaint, replayToTarget, type Replayed } from './replay.ts'
import { checkComplaints, emptyScratch, stubSettings, type Emptied } from './scratch.ts'
import { superuserCandidates } from './superusers.ts'
import { verifyByConnections, verifyPages, type ConnectionProof, type PageProof } from './verify.ts'

export interface StartParts {
  readonly dataDirectory: string
  readonly binaries: PostgresBinaries
  readonly owner: Owner | undefined
  readonly stop: StopPoint
  readonly lastRecordEnd: Lsn | undefined
  readonly fromLsn: Lsn
  readonly port: number
  readonly verify: 'connect' | 'checksums' | 'full'
  /** What the backup left out by tier: emptied before the doors open. */
  readonly left: Pick<Manifest, 'scratch' | 'relations'>
  readonly workers: number
  /** Files that only recovery needed: removed when the target is reached. */
  readonly leftovers: readonly string[]
  /** Where the opened server listens: loopback for a copy, its own addresses for --original. */
  readonly listenAddresses: string
  /** When all is proven, before anybody is let in. */
  readonly beforeOpening?: (() => Promise<void>) | undefined
  readonly clock: Clock
  readonly environment: Environment
  readonly signal: AbortSignal
  readonly progress: (event: Progress) => void
}

/** What is proven of a server at its target, before anybody is let in. */
export interface Proof {
  readonly replayed: { readonly lsn: string; readonly timeline: number }
  readonly connections: ConnectionProof
  readonly pages: PageProof | undefined
  /** Scratch relations that came back empty; undefined where none were left out. */
  readonly scratch: Emptied | undefined
  readonly times: {
    readonly replayMs: number
    /** Until the proven server had written everything and was down. */
    readonly checkpointMs: number
    readonly verifyMs: number
    /** What was looked at besides; 0 for a plain recovery. */
    readonly inspectMs: number
  }
}

export interface StartProof extends Proof {
  readonly server: {
    readonly pid: number
    readonly port: number
    readonly socketDirectory: string
    readonly user: string
  }
  readonly times: Proof['times'] & { readonly startMs: number }
}

/** Finds the programs of the version and asks them what they are. */
export async function binariesFor(parts: {
  major: number
  home: string
  folder: string | undefined
}): Promise<PostgresBinaries> {
  const binaries = await findBinaries({ majorVersion: parts.major, home: parts.home, folder: parts.folder }).catch(
    async (error: unknown) => {
      if (isWharfError(error, 'warehouse.no-binaries')) return await askPgConfig(parts.major)
      throw error
    },
  )
  const program = join(binaries.bin, 'postgres')
  if (!existsSync(program)) throw errors.noBinaries(parts.major)
  const found = await outputOf(program, ['--version'])
  if (Number.parseInt(/\d+/.exec(found)?.[0] ?? '', 10) !== parts.major) {
    throw errors.wrongBinaries({ folder: binaries.bin, found: found || 'no PostgreSQL that runs', needed: parts.major })
  }
  return binaries
}

async function askPgConfig(major: number): Promise<PostgresBinaries> {
  const bin = await outputOf('pg_config', ['--bindir'])
  const version = await outputOf('pg_config', ['--version'])
  if (bin === '' || Number.parseInt(/\d+/.exec(version)?.[0] ?? '', 10) !== major) throw errors.noBinaries(major)
  return { majorVersion: major, bin }
}

function outputOf(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) =>
    execFile(program, args, { timeout: 10_000 }, (error, out) => resolve(error ? '' : out.trim())),
  )
}

/**
 * The socket lies in a folder within the data directory: its mode (0700) keeps everybody out but the server's user and root, nothing
 * can be prepared there by others as in /tmp, and it goes with the directory.
 */
function socketFolderOf(dataDirectory: string): string {
  return join(dataDirectory, 'wharf-socket')
}

/** `within`: more to be done on the proven server before anybody is let in. */
export async function startAndProve(
  parts: StartParts,
  within?: (server: PrivateServer) => Promise<void>,
): Promise<StartProof> {
  const { user, ...proof } = await proveAndStop(parts, within)
  const started = parts.clock.monotonic()
  try {
    await tidy(parts)
    await parts.beforeOpening?.()
    const { pid, port, socketDirectory } = await openDoors(parts)
    const startMs = parts.clock.monotonic() - started
    return { ...proof, server: { pid, port, socketDirectory, user }, times: { ...proof.times, startMs } }
  } catch (error) {
    await stop(parts, 'immediate').catch(() => {})
    throw error
  }
}

/** Replays, proves and leaves a stopped server behind that nobody but us was ever let into. `inspect`: more to be looked at while it runs. */
export async function proveAndStop(
  parts: StartParts,
  inspect: (server: PrivateServer, connections: ConnectionProof) => Promise<void> = () => Promise.resolve(),
): Promise<Proof & { readonly user: string }> {
  const marks = [parts.clock.monotonic()]
  const lap = (): number => {
    marks.push(parts.clock.monotonic())
    return marks.at(-1)! - marks.at(-2)!
  }
  try {
    const { server, replayed, scratch } = await replayBehindDoors(parts)
    const replayMs = lap()
    const connections = await verifyByConnections(server, { amcheck: parts.verify === 'full', signal: parts.signal })
    const connectedMs = lap()
    await inspect(server, connections)
    const inspectMs = lap()
    await stop(parts, 'fast')
    const checkpointMs = lap()
    const pages = parts.verify === 'connect' ? undefined : await verifyStopped(parts)
    const verifyMs = connectedMs + lap()
    return {
      replayed: { lsn: formatLsn(replayed.lsn), timeline: replayed.timeline },
      connections,
      pages,
      scratch,
      user: server.user,
      times: { replayMs, checkpointMs, verifyMs, inspectMs },
    }
  } catch (error) {
    // A server that is not proven is not left running. The directory stays as it is, to be looked at.
    await stop(parts, 'immediate').catch(() => {})
    throw error
  }
}

export function logFileOf(dataDirectory: string): string {
  return join(dataDirectory, 'wharf-recovery.log')
}

/**
 * Nobody but us gets in: no address, a socket that only the server's user and root can open, and a pg_hba.conf of our own that lets
 * that in without a password. All by command line, so that nothing of it stays.
 */
export async function closedDoors(
  dataDirectory: string,
  owner: Owner | undefined,
): Promise<Readonly<Record<string, string>>> {
  const hba = join(dataDirectory, closedHbaName)
  await writeOwned(hba, 'local all all trust\n', owner)
  await writeOwned(logFileOf(dataDirectory), '', owner)
  return {
    hba_file: hba,
    listen_addresses: '',
    unix_socket_permissions: '0700',
    hot_standby: 'on',
    archive_mode: 'off',
    max_logical_replication_workers: '0',
    logging_collector: 'off',
    log_destination: 'stderr',
    ssl: 'off',
  }
}

async function replayBehindDoors(
  parts: StartParts,
): Promise<{ server: PrivateServer; replayed: Replayed; scratch: Emptied | undefined }> {
  const { dataDirectory } = parts
  const logFile = logFileOf(dataDirectory)
  const closed = await closedDoors(dataDirectory, parts.owner)
  parts.progress({ phase: 'starting', note: 'until the data is consistent' })
  const started = await run(parts, {
    ...closed,
    recovery_target_action: 'pause',
    ...(parts.left.scratch.length > 0 ? stubSettings : {}),
  })
  await chmod(started.socketDirectory, 0o700)
  const user = await findUser(started, await superuserCandidates(dataDirectory))
  const server = { socketDirectory: started.socketDirectory, port: started.port, user }
  const toLsn = parts.stop.lsn
  const replayed = await replayToTarget({ ...parts, server, logFile, toLsn })
  if (parts.left.scratch.length === 0) return { server, replayed, scratch: undefined }
  await checkComplaints(logFile, parts.left.scratch)
  parts.progress({ phase: 'emptying scratch relations' })
  return { server, replayed, scratch: await emptyScratch(server, parts.left, parts.signal) }
}

export type RunParts = Pick<StartParts, 'dataDirectory' | 'binaries' | 'clock' | 'environment' | 'signal' | 'port'>

/** Starts the server with settings that no file holds; its log and socket lie in the data directory. */
export async function run(parts: RunParts, settings: Readonly<Record<string, string>>): Promise<StartedServer> {
  const { dataDirectory, binaries, clock, environment, signal } = parts
  const socketDirectory = socketFolderOf(dataDirectory)
  await mkdir(socketDirectory, { recursive: true, mode: 0o700 })
  try {
    return await runServer({
      binaries,
      dataDirectory,
      socketDirectory,
      logFile: logFileOf(dataDirectory),
      settings,
      port: parts.port,
      clock,
      environment,
      signal,
      // Replay takes as long as it takes; the server's death is noticed at once.
      timeoutMs: 30 * DAY_MS,
    })
  } catch (error) {
    if (!isWharfError(error, 'warehouse.server-died')) throw error
    const log = logFileOf(dataDirectory)
    const why = await lastComplaint(log)
    throw errors.serverStopped({ why: why === 'its log says nothing' ? messageOf(error) : why, log }, { cause: error })
  }
}

async function stop(parts: StartParts, mode: 'fast' | 'immediate'): Promise<void> {
  const { dataDirectory, clock } = parts
  // Also after a cancellation: a server that nobody watches must not run on.
  await endServer({
    dataDirectory,
    mode,
    clock,
    signal: mode === 'immediate' ? new AbortController().signal : parts.signal,
  })
}

async function verifyStopped(parts: StartParts): Promise<PageProof> {
  return await verifyPages(parts.dataDirectory, {
    workers: parts.workers,
    signal: parts.signal,
    progress: (done, total) => parts.progress({ phase: 'verifying pages', done, total, unit: 'bytes' }),
  })
}

/** Removes what only recovery needed, secrets among it. */
async function tidy(parts: StartParts): Promise<void> {
  const { dataDirectory, owner } = parts
  const auto = join(dataDirectory, 'postgresql.auto.conf')
  await writeOwned(auto, withoutRecovery(await readFile(auto, 'utf8')), owner)
  await removeLeftovers([...parts.leftovers, join(dataDirectory, closedHbaName), join(dataDirectory, endScriptName)])
}

export async function removeLeftovers(paths: readonly string[]): Promise<void> {
  for (const path of paths)
    if (basename(path) === spoolName) await removeSpool(path)
    else await rm(path, { recursive: true, force: true })
}

/** Out of the way in one step: who fetches WAL ahead may be writing there still. */
async function removeSpool(path: string): Promise<void> {
  const gone = `${path}.gone`
  await rename(path, gone).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
  await rm(gone, { recursive: true, force: true })
}

async function openDoors(parts: StartParts): Promise<StartedServer> {
  const { dataDirectory: directory, listenAddresses, signal } = parts
  parts.progress({ phase: 'opening' })
  try {
    return await run(parts, { listen_addresses: listenAddresses })
  } catch (error) {
    signal.throwIfAborted()
    // What follows "the server stopped before the target was reached" is no true word here.
    const why = isWharfError(error, 'recovery.server-stopped')
      ? await lastComplaint(logFileOf(directory))
      : messageOf(error)
    throw errors.notOpened({ directory, why, bin: parts.binaries.bin }, { cause: error })
  }
}
