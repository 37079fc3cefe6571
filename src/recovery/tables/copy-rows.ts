// Rows from the sandbox into new tables, by COPY, binary where both are of one major version, in stretches of blocks that several pairs of sessions take in turn.
import type { Clock } from '../../base/clock.ts'
import type { Progress } from '../../base/operation.ts'
import { MIB } from '../../base/units.ts'
import type { Session } from '../../warehouse/contract.ts'
import { copyIn, copyOut } from '../../warehouse/copy-stream.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { tableErrors as errors } from '../table-errors.ts'
import type { PrivateSession } from '../server/connect.ts'
import type { TableDefinition } from './definition.ts'
import { shownName, sqlName } from './names.ts'
import { staged, type Placed } from './naming.ts'

/** What copying needs to know of a table. */
export interface RowsOf extends Pick<
  TableDefinition,
  'oid' | 'schema' | 'name' | 'kind' | 'access' | 'bytes' | 'blocks'
> {
  readonly columns: readonly Pick<TableDefinition['columns'][number], 'name' | 'generated' | 'binary'>[]
  /** `WHERE …`: of its rows only these. */
  readonly condition?: string | undefined
}

export interface CopyParts {
  readonly definitions: readonly RowsOf[]
  readonly places: ReadonlyMap<number, Placed>
  /** Pairs of sessions at once. */
  readonly workers: number
  openSource(): Promise<PrivateSession>
  openTarget(): Promise<Session>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly progress: (event: Progress) => void
}

export interface CopiedRows {
  /** By oid in the sandbox. */
  readonly rows: ReadonlyMap<number, number>
  readonly bytes: number
}

interface Stretch {
  readonly table: RowsOf
  /** Undefined: the whole table. */
  readonly blocks: { readonly from: number; readonly to: number | undefined } | undefined
  readonly bytes: number
}

const MAJOR = "select pg_catalog.current_setting('server_version_num')::int / 10000 as major"
const STRETCH_BYTES = 64 * MIB
/** A database that knows no encoding may hold any bytes: they pass as they are. */
const AS_IT_IS =
  "select pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) where pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'"

/** Each stretch's rows are counted on both sides. */
export async function copyRows(parts: CopyParts): Promise<CopiedRows> {
  const waiting = parts.definitions.flatMap(stretchesOf).sort((a, b) => b.bytes - a.bytes)
  const total = waiting.reduce((sum, one) => sum + one.bytes, 0)
  const rows = new Map<number, number>()
  const started = parts.clock.monotonic()
  let [bytes, doneBytes] = [0, 0]
  const report = (note: string): void => {
    const elapsedMs = parts.clock.monotonic() - started
    const rate = elapsedMs > 500 ? (doneBytes / elapsedMs) * 1000 : undefined
    parts.progress({
      phase: 'copying rows',
      done: doneBytes,
      total,
      unit: 'bytes',
      note,
      ...(rate ? { rate, leftMs: ((total - doneBytes) / rate) * 1000 } : {}),
    })
  }
  const failed = new AbortController()
  const work = async (): Promise<void> => {
    await using source = await parts.openSource()
    await using target = await parts.openTarget()
    await source.query(AS_IT_IS)
    await target.query(AS_IT_IS)
    const { rows: said } = await source.query<{ major: number }>(MAJOR)
    const isSameMajor = said[0]!.major === (await target.query<{ major: number }>(MAJOR))[0]!.major
    for (let one = waiting.shift(); one && !failed.signal.aborted; one = waiting.shift()) {
      parts.signal.throwIfAborted()
      const copied = await copyStretch(one, {
        source,
        target,
        place: parts.places.get(one.table.oid)!,
        format: formatOf(one.table, isSameMajor),
      })
      rows.set(one.table.oid, (rows.get(one.table.oid) ?? 0) + copied.rows)
      bytes += copied.bytes
      doneBytes += one.bytes
      report(shownName(one.table))
    }
  }
  const workers = Array.from({ length: Math.min(parts.workers, waiting.length) }, async () => {
    try {
      await work()
    } catch (error) {
      failed.abort()
      throw error
    }
  })
  const results = await Promise.allSettled(workers)
  parts.signal.throwIfAborted()
  const failure = results.find((one) => one.status === 'rejected')
  if (failure) throw failure.reason
  return { rows, bytes }
}

/** Of heaps only: other access methods need not know what a block is. */
function stretchesOf(table: RowsOf): readonly Stretch[] {
  if (table.kind !== 'r') return []
  const whole = table.access !== 'heap' || table.condition !== undefined
  const count = whole ? 1 : Math.min(Math.ceil(table.bytes / STRETCH_BYTES), table.blocks)
  if (count <= 1) return [{ table, blocks: undefined, bytes: table.bytes }]
  const each = Math.ceil(table.blocks / count)
  return Array.from({ length: count }, (_, index) => ({
    table,
    // The last one has no end: nothing grows here, and nothing may be missed.
    blocks: { from: index * each, to: index === count - 1 ? undefined : (index + 1) * each },
    bytes: table.bytes / count,
  }))
}

const storedOf = (table: Pick<RowsOf, 'columns'>): RowsOf['columns'] =>
  table.columns.filter((column) => column.generated === '')

/** Between major versions rows go as text, as pg_dump has them: PostgreSQL promises that for nothing else. */
export function formatOf(table: Pick<RowsOf, 'columns'>, isSameMajor: boolean): 'binary' | 'text' {
  return isSameMajor && storedOf(table).every((column) => column.binary) ? 'binary' : 'text'
}

async function copyStretch(
  one: Stretch,
  of: { source: PrivateSession; target: Session; place: Placed; format: 'binary' | 'text' },
): Promise<{ rows: number; bytes: number }> {
  const { table, blocks } = one
  const { format } = of
  const columns = storedOf(table)
    .map((column) => quoteName(column.name))
    .join(', ')
  const range =
    blocks === undefined
      ? table.condition === undefined
        ? ''
        : ` ${table.condition}`
      : ` where ctid >= '(${blocks.from},0)'${blocks.to === undefined ? '' : ` and ctid < '(${blocks.to},0)'`}`
  const out = copyOut(
    { client: of.source },
    `copy (select ${columns} from only ${sqlName(table)}${range}) to stdout (format ${format})`,
  )
  let bytes = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of out.stream) {
      bytes += piece.length
      yield piece
    }
  }
  const list = columns === '' ? '' : ` (${columns})`
  const rows = await copyIn(of.target, `copy ${staged(of.place)}${list} from stdin (format ${format})`, counted())
  if (rows !== out.rows()) throw errors.rowsLost({ table: shownName(table), read: out.rows(), written: rows })
  return { rows, bytes }
}
