// Starts the server of a sandbox and waits until it stands at the target.
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import type { Environment } from '../../base/environment.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import { DAY_MS } from '../../base/units.ts'
import type { Manifest } from '../../repository/contract.ts'
import { runServer, type PostgresBinaries, type StartedServer } from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { Owner } from '../restore/owner.ts'
import { writeOwned } from '../restore/small-files.ts'
import { connectTo, findUser, type PrivateServer, type PrivateSession } from '../server/connect.ts'
import { lastComplaint, replayToPause, replayToTarget } from '../server/replay.ts'
import { checkComplaints, stubSettings } from '../server/scratch.ts'
import { superuserCandidates } from '../server/superusers.ts'
import type { StopPoint } from '../target/resolve.ts'

export interface SandboxStart {
  readonly dataDirectory: string
  /** Beside the data directory: what it says is wanted most where the sandbox is gone. */
  readonly logFile: string
  readonly binaries: PostgresBinaries
  readonly owner: Owner | undefined
  readonly stop: StopPoint
  /** What was restored, stubs among `scratch`. */
  readonly manifest: Manifest
  readonly open: boolean
  readonly clock: Clock
  readonly environment: Environment
  readonly signal: AbortSignal
  readonly progress: (event: Progress) => void
}

/** Above every file: whatever those say, nobody gets in but by the socket in the closed folder, and nothing gets out. */
const doors: Readonly<Record<string, string>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  hot_standby: 'on',
  recovery_target_action: 'pause',
  archive_mode: 'off',
  max_logical_replication_workers: '0',
  logging_collector: 'off',
  log_destination: 'stderr',
  ssl: 'off',
  ...stubSettings,
}

export async function startSandbox(parts: SandboxStart): Promise<{
  readonly server: PrivateServer
  readonly hba: string
  connect(database: string): Promise<PrivateSession>
}> {
  const { dataDirectory, manifest } = parts
  const hba = join(dataDirectory, 'wharf-recovery.hba')
  const { logFile } = parts
  await writeOwned(hba, 'local all all trust\n', parts.owner)
  parts.progress({ phase: 'starting', note: 'until the data is consistent' })
  const started = await run(parts, { hba, logFile })
  await chmod(started.socketDirectory, 0o700)
  const user = await findUser(started, await superuserCandidates(dataDirectory))
  const server = { socketDirectory: started.socketDirectory, port: started.port, user }
  const replay = {
    ...parts,
    server,
    logFile,
    lastRecordEnd: undefined,
    fromLsn: manifest.replayFromLsn,
    toLsn: parts.stop.lsn,
  }
  if (parts.open) await replayToTarget(replay)
  else await replayToPause(replay)
  await checkComplaints(logFile, manifest.scratch)
  return { server, hba, connect: (database) => connectTo(server, database) }
}

async function run(parts: SandboxStart, files: { hba: string; logFile: string }): Promise<StartedServer> {
  const { dataDirectory, binaries, clock, environment, signal } = parts
  // In the folder itself: nothing can be prepared there by others as in /tmp.
  const socketDirectory = join(dataDirectory, 'wharf-socket')
  await mkdir(socketDirectory, { recursive: true, mode: 0o700 })
  try {
    return await runServer({
      binaries,
      dataDirectory,
      socketDirectory,
      logFile: files.logFile,
      settings: { ...doors, hba_file: files.hba },
      clock,
      environment,
      signal,
      // Replay takes as long as it takes; the server's death is noticed at once.
      timeoutMs: 30 * DAY_MS,
    })
  } catch (error) {
    if (!isWharfError(error, 'warehouse.server-died')) throw error
    const why = await lastComplaint(files.logFile)
    throw errors.serverStopped(
      { why: why === 'its log says nothing' ? messageOf(error) : why, log: files.logFile },
      { cause: error },
    )
  }
}
