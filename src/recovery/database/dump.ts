// PostgreSQL's own pg_dump writes down what a database is made of, beside its rows.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

import type { Environment } from '../../base/environment.ts'
import { privateOptions, type PrivateServer } from '../server/connect.ts'
import { partErrors as errors } from '../part-errors.ts'

export interface DumpProgram {
  readonly path: string
  readonly major: number
}

export interface DumpWish {
  /** Named by the operator. */
  readonly named: string | undefined
  /** Folder of the server programs, where one was named. */
  readonly binaries: string | undefined
  /** Of the server that takes the dump: a newer pg_dump may write what it does not understand. */
  readonly newest: number
  readonly environment: Environment
}

/** Where packages of PostgreSQL put the programs of clients. */
function usualFolders(major: number): readonly string[] {
  return [
    `/usr/lib/postgresql/${major}/bin`,
    `/usr/pgsql-${major}/bin`,
    `/opt/homebrew/opt/postgresql@${major}/bin`,
    `/usr/local/opt/postgresql@${major}/bin`,
  ]
}

/** The newest pg_dump that suits; rejects with `recovery.no-pg-dump`. */
export async function findDumpProgram(wish: DumpWish): Promise<DumpProgram> {
  const { named, binaries, newest, environment } = wish
  const folders = [
    ...(binaries === undefined ? [] : [binaries]),
    ...[newest, newest - 1, newest - 2, newest - 3].flatMap(usualFolders),
    ...(environment.variables['PATH'] ?? '').split(delimiter).filter((one) => one !== ''),
  ]
  const paths = named === undefined ? folders.map((folder) => join(folder, 'pg_dump')).filter(existsSync) : [named]
  const found: DumpProgram[] = []
  for (const path of new Set(paths)) {
    const major = await majorOf(path)
    if (major !== undefined && major <= newest) found.push({ path, major })
  }
  const [best] = found.toSorted((a, b) => b.major - a.major)
  if (best === undefined) throw errors.noPgDump({ major: newest, tried: named })
  return best
}

async function majorOf(path: string): Promise<number | undefined> {
  const ran = await promisify(execFile)(path, ['--version'], { timeout: 20_000 }).catch(() => undefined)
  const match = /\(PostgreSQL\) (\d+)/.exec(ran?.stdout ?? '')
  return match ? Number(match[1]) : undefined
}

/** Text longer than this is more than a string of JavaScript holds. */
const MOST_BYTES = 480 * 1024 * 1024

/** One section of the dump, without rows. Rejects with `recovery.dump-failed`. */
export async function dumpSection(
  program: DumpProgram,
  of: { server: PrivateServer; database: string; section: 'pre-data' | 'post-data'; environment: Environment },
  signal: AbortSignal,
): Promise<string> {
  // A child that is begun with it aborted already ends with an error that nobody listens for.
  signal.throwIfAborted()
  const { server, database, section, environment } = of
  const flags = [
    `--section=${section}`,
    '--create',
    '--encoding=UTF8',
    // It would begin to fetch from where the original fetches.
    '--no-subscriptions',
    '--no-password',
    `--host=${server.socketDirectory}`,
    `--port=${server.port}`,
    `--username=${server.user}`,
  ]
  const child = spawn(program.path, flags, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: environment.variables['PATH'],
      LC_ALL: 'C',
      // As an argument a name with = in it would be read as more than a name.
      PGDATABASE: database,
      PGOPTIONS: `${privateOptions} -c statement_timeout=0 -c row_security=off`,
    },
    signal,
    killSignal: 'SIGKILL',
  })
  const [pieces, said]: [Buffer[], Buffer[]] = [[], []]
  let bytes = 0
  child.stdout.on('data', (piece: Buffer) => {
    bytes += piece.length
    if (bytes <= MOST_BYTES) pieces.push(piece)
  })
  child.stderr.on('data', (piece: Buffer) => said.push(piece))
  const [code] = (await once(child, 'close', { signal })) as [number | null]
  if (code !== 0) {
    const text = Buffer.concat(said).toString('utf8').trim()
    throw errors.dumpFailed({ database, why: text === '' ? `${program.path} ended with ${code ?? 'a signal'}` : text })
  }
  if (bytes > MOST_BYTES)
    throw errors.dumpFailed({ database, why: `its definitions are longer than ${MOST_BYTES} bytes` })
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces))
  } catch {
    throw errors.dumpFailed({ database, why: 'its definitions hold text that is no UTF-8' })
  }
}
