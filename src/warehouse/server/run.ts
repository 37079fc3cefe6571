// Starting, adopting and stopping a server on a data directory of ours.
import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { open, readFile, rm, type FileHandle } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { warehouseErrors } from '../errors.ts'
import type { ServerAccount } from './account.ts'
import type { PostgresBinaries } from './binaries.ts'
import { serverEnvironment } from './initialise.ts'
import { inspectPostmaster, lifeOf, processesIn, type PostmasterFile } from './postmaster.ts'

export interface StartOptions {
  readonly binaries: PostgresBinaries
  readonly dataDirectory: string
  readonly account: ServerAccount | undefined
  /** Given on the command line, above every file: no secrets here. */
  readonly settings: Readonly<Record<string, string>>
  /** Undefined: a free one. */
  readonly port?: number | undefined
  readonly socketDirectory: string
  readonly logFile: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Default 60 s. A server that replays much WAL needs longer. */
  readonly timeoutMs?: number
}

export interface StartedServer {
  readonly pid: number
  readonly port: number
  readonly socketDirectory: string
  /** It was running already: started by a process that is gone, or by another one beside us. */
  readonly adopted: boolean
}

const pollMs = 15

/**
 * Starts the server, or adopts the one that runs on this data directory. Resolves when it takes connections. Where that is given up, a server of ours that has
 * written its postmaster.pid runs on, and stopServer() finds it; one that has not, and that nobody would find, is ended.
 */
export async function startServer(options: StartOptions): Promise<StartedServer> {
  await assertDataDirectory(options)
  const mine: { child: Child | undefined } = { child: undefined }
  try {
    return await untilReady(options, mine)
  } catch (error) {
    if (mine.child) await endUnknown(options, mine.child)
    throw error
  }
}

async function untilReady(options: StartOptions, mine: { child: Child | undefined }): Promise<StartedServer> {
  const { clock, dataDirectory } = options
  const deadline = clock.monotonic() + (options.timeoutMs ?? 60_000)
  const zombies: { since: number | undefined } = { since: undefined }
  const empty: { since: number | undefined } = { since: undefined }
  let status = 'nothing yet'
  for (;;) {
    options.signal.throwIfAborted()
    const found = await inspectPostmaster(dataDirectory)
    if (found.state === 'running') {
      status = found.file.status || 'starting'
      const ready = await whenReady(found.file)
      if (ready) return { ...ready, adopted: mine.child?.pid !== ready.pid }
    } else if (found.state === 'zombie' || (found.state === 'stale' && found.reused)) {
      await clearDeadFile(options, zombies)
    } else if (mine.child === undefined) {
      mine.child = await spawnServer(options)
    }
    if (mine.child?.exited()) {
      const { child } = mine
      mine.child = undefined
      if ((await afterEarlyExit(options, child)) === 'empty lock file') await clearDeadFile(options, empty)
    }
    if (clock.monotonic() > deadline) {
      const seconds = Math.round((options.timeoutMs ?? 60_000) / 1000)
      const parts = { dataDirectory, seconds, status, logFile: options.logFile }
      throw warehouseErrors.startTimeout(parts)
    }
    await clock.sleep(pollMs, options.signal)
  }
}

/** It has opened nothing yet: it ends at once. */
async function endUnknown({ dataDirectory, clock }: StartOptions, child: Child): Promise<void> {
  const found = await inspectPostmaster(dataDirectory)
  if (child.pid <= 0 || child.exited() || (found.state === 'running' && found.file.pid === child.pid)) return
  process.kill(child.pid, signals.fast)
  const until = clock.monotonic() + 10_000
  while (!child.exited() && clock.monotonic() < until) await clock.sleep(pollMs)
}

async function assertDataDirectory({ dataDirectory, binaries }: StartOptions): Promise<void> {
  const text = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (text === undefined) throw warehouseErrors.notADataDirectory({ path: dataDirectory })
  const found = Number.parseInt(text, 10)
  if (found !== binaries.majorVersion) {
    throw warehouseErrors.wrongMajor({ path: dataDirectory, found, wanted: binaries.majorVersion })
  }
}

async function whenReady(file: PostmasterFile): Promise<Omit<StartedServer, 'adopted'> | undefined> {
  if (file.status !== 'ready' && file.status !== 'standby') return undefined
  if (file.port === undefined || file.socketDirectory === undefined) return undefined
  return { pid: file.pid, port: file.port, socketDirectory: file.socketDirectory }
}

/**
 * PostgreSQL will not start while the number in postmaster.pid belongs to a process of its user, also when that is a zombie (whose parent
 * may never reap it) or a stranger; nor while the file is empty, as another process that just starts the server, or a power cut, leaves it. After two seconds of that, and only if no process at all works in the data directory, the file goes.
 */
async function clearDeadFile(options: StartOptions, seen: { since: number | undefined }): Promise<void> {
  seen.since ??= options.clock.monotonic()
  const found = await inspectPostmaster(options.dataDirectory)
  // A zombie may still be reaped, and an empty file may still be written; whoever got a number after a reboot stays.
  if (found.state !== 'stale' && options.clock.monotonic() - seen.since < 2000) return
  if ((await processesIn(options.dataDirectory)).length > 0) return
  await rm(join(options.dataDirectory, 'postmaster.pid'), { force: true })
}

interface Child {
  readonly pid: number
  readonly port: number
  readonly logStart: number
  exited(): boolean
}

async function spawnServer(options: StartOptions): Promise<Child> {
  const port = options.port ?? (await freePort())
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: options.socketDirectory,
    ...options.settings,
    port: String(port),
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log: FileHandle = await open(
    options.logFile,
    constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW,
    0o600,
  )
  try {
    const logStart = (await log.stat()).size
    const identity = options.account ? { uid: options.account.uid, gid: options.account.gid } : {}
    const child = spawn(join(options.binaries.bin, 'postgres'), ['-D', options.dataDirectory, ...flags], {
      cwd: '/',
      // Its own session: Ctrl-C on our terminal is for us, and we stop the server when we are done with it.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: serverEnvironment,
      ...identity,
    })
    let gone = false
    child.on('error', () => (gone = true))
    child.on('exit', () => (gone = true))
    child.unref()
    return { pid: child.pid ?? -1, port, logStart, exited: () => gone }
  } finally {
    await log.close()
  }
}

/** Decides whether an exit while starting is worth another try: it is when another process was first, or a free port was taken. */
async function afterEarlyExit(options: StartOptions, child: Child): Promise<'empty lock file' | undefined> {
  const text = (await readFile(options.logFile).catch(() => Buffer.alloc(0))).subarray(child.logStart).toString('utf8')
  if (/lock file ".*" already exists|pre-existing shared memory block/.test(text)) return undefined
  if (/lock file ".*" is empty|bogus data in lock file/.test(text)) return 'empty lock file'
  if (/could not bind|Address already in use/i.test(text)) {
    if (options.port === undefined) return undefined
    throw warehouseErrors.portTaken({ port: options.port })
  }
  const fatal = text.split('\n').findLast((line) => /FATAL|PANIC|ERROR|error while loading/.test(line))
  const detail = fatal?.replace(/^.*?(FATAL|PANIC|ERROR):\s*/, '').trim() ?? 'it ended without a word'
  throw warehouseErrors.serverDied({ dataDirectory: options.dataDirectory, detail, logFile: options.logFile })
}

export type StopMode = 'smart' | 'fast' | 'immediate'
const signals = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** Stops the server of this data directory, whoever started it. Resolves to false where none runs. */
export async function stopServer(options: {
  dataDirectory: string
  mode: StopMode
  clock: Clock
  signal: AbortSignal
  timeoutMs?: number
}): Promise<boolean> {
  const { dataDirectory, clock } = options
  const found = await inspectPostmaster(dataDirectory)
  if (found.state !== 'running') return false
  const { pid } = found.file
  process.kill(pid, signals[options.mode])
  const deadline = clock.monotonic() + (options.timeoutMs ?? 120_000)
  for (;;) {
    if ((await lifeOf(pid)) !== 'alive') return true
    const now = await inspectPostmaster(dataDirectory)
    if (now.state !== 'running' || now.file.pid !== pid) return true
    if (clock.monotonic() > deadline) {
      throw warehouseErrors.stopTimeout({
        dataDirectory,
        pid,
        seconds: Math.round((options.timeoutMs ?? 120_000) / 1000),
      })
    }
    await clock.sleep(pollMs, options.signal)
  }
}

/** A port of the loopback interface that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}
