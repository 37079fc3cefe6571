// initdb: a new data directory that is wholly there or not there.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, chown, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { systemRandom } from '../../base/random.ts'
import { warehouseErrors } from '../errors.ts'
import { assertReachable, type ServerAccount } from './account.ts'
import type { PostgresBinaries } from './binaries.ts'

export interface InitialiseOptions {
  readonly binaries: PostgresBinaries
  readonly dataDirectory: string
  readonly account: ServerAccount | undefined
  /** Password of the superuser `postgres`; undefined: trust everyone who reaches the server. */
  readonly password: string | undefined
  /** Default scram-sha-256 with a password, trust without. */
  readonly authentication?: 'scram-sha-256' | 'md5' | 'trust'
  /** Default true. */
  readonly checksums?: boolean
  /** Default true. Off: for tests. */
  readonly sync?: boolean
  readonly walSegmentMegabytes?: number
  /** Appended to postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/**
 * Makes the data directory unless it is there. Works in a folder beside it that is renamed at the end, so that a crash leaves nothing half
 * made, and of two processes at once one wins and the other finds it done. Returns whether this call made it.
 */
export async function initialise(options: InitialiseOptions): Promise<boolean> {
  const { dataDirectory, account } = options
  if (existsSync(join(dataDirectory, 'PG_VERSION'))) return false
  const parent = dirname(dataDirectory)
  await mkdir(parent, { recursive: true, mode: 0o755 })
  await assertReachable(parent, account)
  const work = join(parent, `.${basename(dataDirectory)}.${systemRandom.bytes(6).toString('hex')}.init`)
  try {
    await mkdir(work, { mode: 0o700 })
    const fresh = join(work, 'data')
    const passwordFile = join(work, 'password')
    if (options.password !== undefined) await writeFile(passwordFile, options.password, { mode: 0o600 })
    if (account) {
      if (options.password !== undefined) await chown(passwordFile, account.uid, account.gid)
      await chown(work, account.uid, account.gid)
    }
    await runInitdb(options, fresh, passwordFile)
    await appendSettings(fresh, options.settings ?? {})
    await rename(fresh, dataDirectory)
    return true
  } catch (error) {
    if (existsSync(join(dataDirectory, 'PG_VERSION'))) return false
    throw error
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Keeps the file's owner: it is only appended to. */
async function appendSettings(dataDirectory: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
  if (lines.length > 0) await appendFile(join(dataDirectory, 'postgresql.conf'), lines.join(''), { flush: true })
}

function runInitdb(options: InitialiseOptions, fresh: string, passwordFile: string): Promise<void> {
  const { binaries, account, password } = options
  const authentication = options.authentication ?? (password === undefined ? 'trust' : 'scram-sha-256')
  const checksums = options.checksums ?? true
  const locale = binaries.majorVersion >= 17 ? ['--locale-provider=builtin', '--locale=C.UTF-8'] : ['--locale=C']
  // 18 has checksums unless told otherwise; earlier ones only when asked.
  const checksumFlag = checksums ? ['--data-checksums'] : binaries.majorVersion >= 18 ? ['--no-data-checksums'] : []
  const flags = [
    '-D',
    fresh,
    '-U',
    'postgres',
    '--encoding=UTF8',
    `--auth=${authentication}`,
    ...locale,
    ...checksumFlag,
    ...(password === undefined ? [] : [`--pwfile=${passwordFile}`]),
    ...(options.walSegmentMegabytes === undefined ? [] : [`--wal-segsize=${options.walSegmentMegabytes}`]),
    ...(options.sync === false ? ['--no-sync'] : []),
  ]
  const identity = account ? { uid: account.uid, gid: account.gid } : {}
  const settings = { cwd: '/', env: serverEnvironment, signal: options.signal, ...identity }
  return new Promise((resolve, reject) => {
    execFile(join(binaries.bin, 'initdb'), flags, settings, (error, out, err) => {
      if (!error) return resolve()
      if (options.signal.aborted) return reject(options.signal.reason as Error)
      const detail = lastLine(err) || lastLine(out) || error.message
      reject(warehouseErrors.initFailed({ dataDirectory: options.dataDirectory, detail }, { cause: error }))
    })
  })
}

/** Servers see none of our variables: PGDATA, PGPORT and the like would change what they do, and secrets would show in /proc. */
export const serverEnvironment: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? ''
}
