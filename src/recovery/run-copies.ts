// Brings the kept copies of unlogged tables back into a recovered server, where they are empty: each database in one transaction, proven by
// reading every row back before it commits.
import { createHash } from 'node:crypto'

import type { Progress } from '../base/operation.ts'
import type { Context } from '../base/room.ts'
import type { CopiedTable, Repository, TableCopy } from '../repository/contract.ts'
import { warehousesSection } from '../warehouse/config.ts'
import type { Session, Warehouse } from '../warehouse/contract.ts'
import { copyIn, copyOut } from '../warehouse/copy-stream.ts'
import { quoteName } from '../warehouse/quote.ts'
import { warehousesOf } from '../warehouse/warehouses.ts'
import { emptyAll, moveSequences, parentsFirst, sqlOf } from './copied-tables.ts'
import { replayErrors as errors } from './replay/errors.ts'
import { openChosenRepository, type RepositoryChoice } from './restore/open-repository.ts'

export interface CopiesRequest extends RepositoryChoice {
  /** Connection URL of the recovered server; its database does not matter. */
  readonly to: string
  readonly passwordFile?: string | undefined
  /** Default: the newest that holds each table. */
  readonly copy?: string | undefined
  /** schema.table or database.schema.table; default: all. */
  readonly table?: readonly string[] | undefined
  /** Whether rows that are there may go. */
  readonly overwrite: boolean
}

export interface RestoredTable {
  readonly database: string
  readonly relation: string
  readonly rows: number
  readonly bytes: number
  readonly copy: string
  readonly takenAt: string
}

interface Wanted {
  readonly copy: TableCopy
  readonly table: CopiedTable
}

interface Tools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

/** All tables of a database, or none of them. */
export async function restoreCopies(
  request: CopiesRequest,
  context: Context,
  tools: Tools,
): Promise<readonly RestoredTable[]> {
  const chosen = await openChosenRepository(request, context, tools.signal)
  try {
    const wanted = chooseTables(await chosen.repository.copies.list(request.warehouse, tools.signal), request)
    const server = targetServer(request, context)
    const total = wanted.reduce((sum, { table }) => sum + table.bytes, 0)
    const restoring = new Restoring({ repository: chosen.repository, server, request, ...tools }, total)
    const restored: RestoredTable[] = []
    for (const database of new Set(wanted.map(({ table }) => table.database))) {
      restored.push(
        ...(await restoring.database(
          database,
          wanted.filter(({ table }) => table.database === database),
        )),
      )
    }
    return restored
  } finally {
    await chosen.close()
  }
}

/** Pure: of each table the newest copy, or that of the copy that was named. Rejects with `recovery.no-copy`. */
export function chooseTables(
  copies: readonly TableCopy[],
  request: Pick<CopiesRequest, 'warehouse' | 'copy' | 'table'>,
): readonly Wanted[] {
  const from = request.copy === undefined ? copies : copies.filter((copy) => copy.id === request.copy)
  const newest = new Map<string, Wanted>()
  for (const copy of from) {
    for (const table of copy.tables) {
      const name = `${table.schema}.${table.name}`
      const full = `${table.database}.${name}`
      if (request.table && !request.table.includes(name) && !request.table.includes(full)) continue
      newest.set(full, { copy, table })
    }
  }
  if (newest.size === 0) {
    const what = [...(request.copy === undefined ? [] : [`copy ${request.copy}`]), ...(request.table ?? [])]
    throw errors.noCopy({ warehouse: request.warehouse, what })
  }
  return [...newest.values()]
}

function targetServer(request: CopiesRequest, context: Context): Warehouse {
  const name = 'recovered'
  const entry = {
    url: request.to,
    ...(request.passwordFile === undefined ? {} : { password_file: request.passwordFile }),
  }
  const { clock, home, configFile } = context
  return warehousesOf(warehousesSection.schema.parse({ [name]: entry }), { clock, home, configFile }).get(name)
}

interface Parts extends Tools {
  readonly repository: Repository
  readonly server: Warehouse
  readonly request: CopiesRequest
}

class Restoring {
  private readonly parts: Parts
  private readonly total: number
  private done = 0

  constructor(parts: Parts, total: number) {
    this.parts = parts
    this.total = total
  }

  async database(database: string, wanted: readonly Wanted[]): Promise<readonly RestoredTable[]> {
    const { server, signal } = this.parts
    await using session = await server.connect({ purpose: 'recover copies', database, signal, statementTimeoutMs: 0 })
    await session.query('begin')
    // All of them are held before the first is changed.
    const missing = new Set<Wanted>()
    for (const one of wanted) if (!(await this.isThere(session, one))) missing.add(one)
    await emptyAll(
      session,
      [...missing].map((one) => one.table),
    )
    for (const one of await parentsFirst(session, [...missing], ({ table }) => table)) await this.bring(session, one)
    await session.query('commit')
    return wanted.map(({ copy, table }) => {
      const { rows, bytes } = table
      const relation = `${table.schema}.${table.name}`
      return { database, relation, rows, bytes, copy: copy.id, takenAt: new Date(copy.takenMs).toISOString() }
    })
  }

  /** Locks it. Whether it holds the rows of the copy already; rejects where it holds others and they are not to be replaced. */
  private async isThere(session: Session, { table }: Wanted): Promise<boolean> {
    const sql = sqlOf(table)
    await requireSame(session, table)
    await silenceTriggers(session, table)
    await session.query(`lock table only ${sql} in access exclusive mode`)
    const [row] = await session.query<{ rows: number }>(
      `select count(*)::int8::float8 as rows from (select from only ${sql} limit $1::int8 + 1) s`,
      [table.rows],
    )
    const isDone = row!.rows > 0 && row!.rows === table.rows && (await this.isCopied(session, table))
    if (!isDone && row!.rows > 0 && !this.parts.request.overwrite) throw errors.tableNotEmpty({ table: nameOf(table) })
    if (isDone) this.done += table.bytes
    return isDone
  }

  private async bring(session: Session, { copy, table }: Wanted): Promise<void> {
    await copyIn(session, `copy ${columnsOf(table)} from stdin (format binary)`, this.counted(copy, table))
    if (!(await this.isCopied(session, table))) throw errors.copyDiffers({ table: nameOf(table) })
    await moveSequences(session, table)
    this.done += table.bytes
  }

  private async *counted(copy: TableCopy, table: CopiedTable): AsyncGenerator<Buffer> {
    const { repository, signal, report } = this.parts
    let bytes = 0
    for await (const piece of repository.copies.read(copy, table, signal)) {
      yield piece
      bytes += piece.length
      report({ phase: 'copying', done: this.done + bytes, total: this.total, unit: 'bytes', note: nameOf(table) })
    }
  }

  /**
   * A table that was empty gives its rows in the order in which they came: the stream must be the same. Of one that holds rows it tells what an interrupted run has
   * brought back already.
   */
  private async isCopied(session: Session, table: CopiedTable): Promise<boolean> {
    const { signal, report } = this.parts
    const reading = `copy ${columnsOf(table)} to stdout (format binary)`
    const hash = createHash('sha256')
    let bytes = 0
    for await (const piece of copyOut(session, reading).stream) {
      signal.throwIfAborted()
      hash.update(piece)
      bytes += piece.length
      report({ phase: 'reading back', done: bytes, total: table.bytes, unit: 'bytes', note: nameOf(table) })
    }
    return hash.digest('hex') === table.sha256
  }
}

function columnsOf(table: CopiedTable): string {
  return `${sqlOf(table)} (${table.columns.map((column) => quoteName(column.name)).join(', ')})`
}

function nameOf(table: CopiedTable): string {
  return `${table.database}.${table.schema}.${table.name}`
}

async function requireSame(session: Session, table: CopiedTable): Promise<void> {
  const columns = await session.query<{ name: string; type: string }>(
    `select a.attname as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type
       from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2 and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      order by a.attnum`,
    [table.schema, table.name],
  )
  const text = (list: CopiedTable['columns']): string => list.map(({ name, type }) => `${name} ${type}`).join(', ')
  const expected = text(table.columns)
  const found = text(columns)
  if (found !== expected) throw errors.otherColumns({ table: nameOf(table), expected, found })
}

/** Rows that come back are not new rows: triggers that PostgreSQL would fire for them did so when they were written. */
async function silenceTriggers(session: Session, table: CopiedTable): Promise<void> {
  const [row] = await session.query<{ fires: boolean }>(
    `select exists (select from pg_catalog.pg_trigger where tgrelid = to_regclass($1) and not tgisinternal and tgenabled <> 'D') as fires`,
    [`${quoteName(table.schema)}.${quoteName(table.name)}`],
  )
  if (row?.fires) await session.query('set local session_replication_role = replica')
}
