// What must hold after every kill, and what a recovery on the side must bring back.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { Client } from 'pg'

import { systemClock } from '../../../src/base/clock.ts'
import { messageOf } from '../../../src/base/errors.ts'
import { endServer } from '../../../src/warehouse/servers.ts'
import { formatLsn, parseLsn, type Lsn } from '../../../src/wal/lsn.ts'
import { complaintsOf } from '../../backup/truth.ts'
import { binariesOf, type TestServer } from '../../support/postgres.ts'
import { runWharf, wharfJson } from './processes.ts'
import { never, type SystemWorld } from './world.ts'
import { checkWriter } from './writer.ts'

/** Everything up to `reported` is in the repository, in one piece, and every chunk reads back. */
export async function durableProblems(world: SystemWorld, reported: Lsn): Promise<string[]> {
  const { repository, systemIdentifier } = world
  const problems: string[] = []
  const ranges = await repository.wal.ranges(systemIdentifier, never)
  const text = ranges.map((one) => `${formatLsn(one.startLsn)} to ${formatLsn(one.endLsn)}`).join(', ')
  if (ranges.length > 1) problems.push(`WAL has holes: ${text}`)
  const end = ranges.at(-1)?.endLsn ?? 0n
  if (end < reported) problems.push(`WAL up to ${formatLsn(reported)} was reported durable, the repository has ${text}`)
  // The older ones were read after earlier kills, and `check --depth all` reads them all again now and then.
  for (const info of (await repository.wal.list(systemIdentifier, never)).slice(-20)) {
    const chunk = await repository.wal.read(info, never).catch((error: unknown) => messageOf(error))
    if (typeof chunk === 'string') problems.push(`${info.object} cannot be read: ${chunk}`)
    else if (chunk.problem !== undefined) problems.push(`${info.object}: ${chunk.problem}`)
  }
  return problems
}

export async function structureProblems(
  world: SystemWorld,
  depth: 'structure' | 'all' = 'structure',
): Promise<string[]> {
  const ended = await runWharf(world.place, ['repository', 'check', 'main', '--depth', depth])
  return ended.code === 0 ? [] : [`repository check ended with ${ended.code}: ${ended.stdout}${ended.stderr}`]
}

interface RecoveryDocument {
  readonly plan: { readonly backup: { readonly id: string } }
  readonly proof: { readonly server: { readonly port: number } }
  readonly durationMs: number
}

let count = 0

/** Recovers to the end of WAL beside the running system, by the command, and looks at what came back. */
export async function recoverAndCompare(world: SystemWorld): Promise<string[]> {
  const { server, place, watcher, writer, feed } = world
  const directory = join(world.folder, `recovered-${++count}`)
  const [before] = await server.psql<{ files: number }>('select count(distinct day)::int as files from line')
  const lsnOfFiles = (await server.psql<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn'))[0]!.lsn
  if (!(await watcher.reaches(parseLsn(lsnOfFiles), 60_000))) return ['WAL of the loads does not become durable']
  const durable = watcher.durable
  const { bin } = await binariesOf(server.major)
  const report = await wharfJson<RecoveryDocument>(
    place,
    `recover run retail --latest --to-directory ${directory} --start --verify full --set fsync=off --set shared_buffers=32MB --binaries ${bin}`.split(
      ' ',
    ),
  )
  try {
    const recovered = clientsOf(report.proof.server.port)
    const problems = await checkWriter(recovered, writer, durable)
    const loads = await feed.check(recovered, false)
    problems.push(...loads.problems)
    if (loads.loaded < before!.files) problems.push(`${before!.files} files were loaded, ${loads.loaded} came back`)
    problems.push(...(await complaintsOf(recovered as TestServer)))
    const [rows] = await recovered.psql<{ n: number }>('select count(*)::int as n from client')
    world.log(
      `recovered from ${report.plan.backup.id} in ${Math.round(report.durationMs)} ms: ${rows!.n} transactions, ${loads.loaded} files`,
    )
    return problems.map((problem) => `recovered from ${report.plan.backup.id}: ${problem}`)
  } finally {
    await endServer({ dataDirectory: directory, mode: 'immediate', clock: systemClock, signal: never })
    await rm(directory, { recursive: true, force: true })
  }
}

function clientsOf(port: number): Pick<TestServer, 'psql' | 'connect'> {
  const connect = async (database = 'postgres'): Promise<Client & AsyncDisposable> => {
    const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database })
    client.on('error', () => {})
    await client.connect()
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
  }
  const psql = async <Row extends object>(sql: string, database?: string): Promise<Row[]> => {
    await using client = await connect(database)
    const result: unknown = await client.query(sql)
    return Array.isArray(result) ? (result.at(-1) as { rows: Row[] }).rows : (result as { rows: Row[] }).rows
  }
  return { connect, psql }
}
