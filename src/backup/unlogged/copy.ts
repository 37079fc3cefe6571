// Takes a copy of chosen unlogged tables: each database in one snapshot, as binary COPY, into one repository.
import type { Progress } from '../../base/operation.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { copyOut } from '../../warehouse/copy-stream.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'
import type { CopiedTable, Repository, TableCopy, TableCopyWriter } from '../../repository/contract.ts'
import { backupErrors } from '../errors.ts'
import { matcherOf } from './patterns.ts'
import { surveyDatabase, surveyUnlogged, type UnloggedTable } from './survey.ts'

/** A copy never queues behind a lock for longer: a TRUNCATE that waits behind it would hold up everybody. */
const LOCK_TIMEOUT_MS = 10_000

export interface CopyOptions {
  readonly warehouse: Warehouse
  readonly repository: Repository
  /** As in wharf.yaml. */
  readonly patterns: readonly string[]
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

/** Resolves when the copy is durable. Rejects with `backup.nothing-to-copy` where no unlogged table matches. */
export async function copyUnlogged(options: CopyOptions): Promise<TableCopy> {
  const { warehouse, repository, signal } = options
  const matches = matcherOf(options.patterns)
  const survey = await surveyUnlogged(warehouse, signal)
  const wanted = survey.tables.filter(matches)
  const { name } = warehouse.declaration
  if (wanted.length === 0) throw backupErrors.nothingToCopy({ warehouse: name, patterns: options.patterns })
  const writer = await repository.copies.begin({ warehouse: name, signal })
  const tool = new Copying(options, writer, wanted)
  for (const database of new Set(wanted.map((table) => table.database))) await tool.copyDatabase(database)
  const facts = await warehouse.facts(signal)
  return await writer.commit(
    {
      systemIdentifier: facts.systemIdentifier,
      postgresVersion: facts.version,
      takenMs: tool.takenMs ?? Date.parse(survey.at),
      loads: tool.loads,
    },
    signal,
  )
}

class Copying {
  readonly loads: { database: string; load: string }[] = []
  /** Of the earliest snapshot. */
  takenMs: number | undefined
  private readonly options: CopyOptions
  private readonly writer: TableCopyWriter
  private readonly wanted: readonly UnloggedTable[]
  private readonly total: number
  private done = 0

  constructor(options: CopyOptions, writer: TableCopyWriter, wanted: readonly UnloggedTable[]) {
    this.options = options
    this.writer = writer
    this.wanted = wanted
    this.total = wanted.reduce((sum, table) => sum + table.bytes, 0)
  }

  async copyDatabase(database: string): Promise<void> {
    const { warehouse, patterns, signal } = this.options
    await using session = await warehouse.connect({
      purpose: 'copy unlogged',
      database,
      signal,
      statementTimeoutMs: 0,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
    })
    await session.query('begin isolation level repeatable read read only')
    const [now] = await session.query<{ at: Date }>('select clock_timestamp() as at')
    this.takenMs = Math.min(this.takenMs ?? Infinity, now!.at.getTime())
    // Asked again in the snapshot: what it sees is what it copies.
    const tables = (await surveyDatabase(session, database)).filter(matcherOf(patterns))
    const newest = tables
      .flatMap((table) => table.lastLoad ?? [])
      .toSorted((one, other) => (one.committedAt < other.committedAt ? -1 : 1))
      .at(-1)
    if (newest) this.loads.push({ database, load: newest.id })
    for (const table of tables) await this.copyTable(session, table)
    await session.query('commit')
  }

  private async copyTable(session: Session, table: UnloggedTable): Promise<void> {
    const columns = await columnsOf(session, table.oid)
    const { database, schema, name } = table
    const list = columns.map((column) => quoteName(column.name)).join(', ')
    const sql = `copy ${quoteName(schema)}.${quoteName(name)} (${list}) to stdout (format binary)`
    await this.writer.add(
      { database, schema, name, columns },
      this.counted(copyOut(session, sql), table),
      this.options.signal,
    )
    this.done += table.bytes
  }

  private counted(
    content: ReturnType<typeof copyOut>,
    table: UnloggedTable,
  ): { stream: AsyncIterable<Buffer>; rows(): number } {
    const { report } = this.options
    const { total, done } = this
    const stream = async function* (): AsyncGenerator<Buffer> {
      let bytes = 0
      for await (const piece of content.stream) {
        bytes += piece.length
        const note = `${table.schema}.${table.name}`
        report({ phase: 'copying', done: Math.min(total, done + bytes), total, unit: 'bytes', note })
        yield piece
      }
    }
    return { stream: stream(), rows: () => content.rows() }
  }
}

/** Those that COPY takes: generated columns are made anew when rows come back. */
async function columnsOf(session: Session, oid: number): Promise<CopiedTable['columns']> {
  return await session.query<{ name: string; type: string }>(
    `select attname as name, pg_catalog.format_type(atttypid, atttypmod) as type from pg_catalog.pg_attribute
      where attrelid = $1 and attnum > 0 and not attisdropped and attgenerated = '' order by attnum`,
    [oid],
  )
}
