// The server's own WAL summaries (17 and later, summarize_wal = on): a second opinion on what has changed. They can only add blocks; where they are
// missing or have a hole, our own map stands alone. PostgreSQL had defects of its own here (ranges of old timelines, visibility maps): a whole backup never rests on them.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import { ChangeMapBuilder } from '../../wal/change-map.ts'
import type { ChangeMap, ForkName, RelationFile } from '../../wal/contract.ts'
import { forks } from '../../wal/contract.ts'
import { formatLsn, parseLsn, type Lsn } from '../../wal/lsn.ts'
import type { TimelineSpan } from '../../wal/timelines.ts'
import type { ServerFacts, Session, Warehouse } from '../../warehouse/contract.ts'

const FIRST_MAJOR = 17
const ROWS_AT_ONCE = 20_000
/** The summariser works a moment behind; what it has not got by then is only noted. */
const PATIENCE_MS = 5000
const POLL_MS = 100

export interface SummaryRange {
  readonly spans: readonly TimelineSpan[]
  readonly fromLsn: Lsn
  readonly untilLsn: Lsn
}

/** A block, or a cut, that the server's summaries name and our own map does not. */
export interface SummaryMiss {
  readonly file: RelationFile
  readonly fork: ForkName
  /** Undefined for a cut. */
  readonly block: number | undefined
}

export interface SecondOpinion {
  /** Our map with everything that the summaries name besides. */
  readonly map: ChangeMap
  readonly missed: readonly SummaryMiss[]
  readonly note: string | undefined
}

interface Summary {
  readonly timeline: number
  readonly startLsn: Lsn
  readonly endLsn: Lsn
}

/** Never rejects for want of summaries, or of the right to read them. */
export async function askSummaries(
  own: ChangeMap,
  range: SummaryRange,
  of: { warehouse: Warehouse; facts: ServerFacts; clock: Clock; signal: AbortSignal },
): Promise<SecondOpinion> {
  const alone = (note?: string): SecondOpinion => ({ map: own, missed: [], note })
  if (of.facts.majorVersion < FIRST_MAJOR) return alone()
  try {
    await using session = await of.warehouse.connect({ purpose: 'backup summaries', signal: of.signal })
    const [setting] = await session.query<{ on: string }>("select current_setting('summarize_wal') as on")
    if (setting?.on !== 'on') return alone()
    const found = await waitForSummaries(session, range, of)
    const { map, missed } = await unite(own, session, { range, summaries: found.summaries })
    const hole =
      found.hole === undefined
        ? undefined
        : `WAL summaries of the server are missing from ${formatLsn(found.hole)} on: the change map is our own there`
    return { map, missed, note: hole }
  } catch (error) {
    of.signal.throwIfAborted()
    if (!isWharfError(error)) throw error
    return alone(`WAL summaries of the server could not be read: ${messageOf(error)}`)
  }
}

async function waitForSummaries(
  session: Session,
  range: SummaryRange,
  tools: { clock: Clock; signal: AbortSignal },
): Promise<{ summaries: readonly Summary[]; hole: Lsn | undefined }> {
  const patience = tools.clock.monotonic() + PATIENCE_MS
  for (;;) {
    const summaries = await listSummaries(session, range)
    const hole = firstHole(summaries, range)
    // Only the newest end may still come.
    const lasting = hole !== undefined && summaries.some((one) => one.startLsn > hole)
    if (hole === undefined || lasting || tools.clock.monotonic() > patience) return { summaries, hole }
    await tools.clock.sleep(POLL_MS, tools.signal)
  }
}

async function listSummaries(session: Session, range: SummaryRange): Promise<readonly Summary[]> {
  const rows = await session.query<{ tli: string; start: string; end: string }>(
    'select tli::text, start_lsn::text as start, end_lsn::text as end from pg_catalog.pg_available_wal_summaries() order by start_lsn, end_lsn',
  )
  const all = rows.map(({ tli, start, end }) => ({
    timeline: Number(tli),
    startLsn: parseLsn(start),
    endLsn: parseLsn(end),
  }))
  return all.filter((one) =>
    stretches(range).some(
      ({ timeline, from, until }) => one.timeline === timeline && one.endLsn > from && one.startLsn < until,
    ),
  )
}

/** The ways along our history, timeline by timeline. A summary of an old timeline beyond its switch point is none of ours. */
function stretches({ spans, fromLsn, untilLsn }: SummaryRange): { timeline: number; from: Lsn; until: Lsn }[] {
  return spans
    .map(({ timeline, startLsn, endLsn }) => ({
      timeline,
      from: startLsn > fromLsn ? startLsn : fromLsn,
      until: endLsn === undefined || endLsn > untilLsn ? untilLsn : endLsn,
    }))
    .filter(({ from, until }) => from < until)
}

/** Pure: where the first stretch that no summary covers begins. */
export function firstHole(summaries: readonly Summary[], range: SummaryRange): Lsn | undefined {
  for (const { timeline, from, until } of stretches(range)) {
    let covered = from
    for (const one of summaries) {
      if (one.timeline === timeline && one.startLsn <= covered && one.endLsn > covered) covered = one.endLsn
    }
    if (covered < until) return covered
  }
  return undefined
}

interface Row {
  readonly tablespace: string
  readonly database: string
  readonly relfilenode: string
  readonly fork: number
  readonly block: string
  readonly is_limit: boolean
}

async function unite(
  own: ChangeMap,
  session: Session,
  of: { range: SummaryRange; summaries: readonly Summary[] },
): Promise<{ map: ChangeMap; missed: readonly SummaryMiss[] }> {
  const union = new Union(own, of.range)
  await session.query('begin')
  for (const summary of of.summaries) {
    await session.query(
      `declare summary no scroll cursor for
       select reltablespace::text as tablespace, reldatabase::text as database, relfilenode::text as relfilenode,
              relforknumber::int as fork, relblocknumber::text as block, is_limit_block as is_limit
         from pg_catalog.pg_wal_summary_contents(${summary.timeline}, '${formatLsn(summary.startLsn)}', '${formatLsn(summary.endLsn)}')`,
    )
    for (;;) {
      const rows = await session.query<Row>(`fetch ${ROWS_AT_ONCE} from summary`)
      for (const row of rows) union.add(row, summary)
      if (rows.length < ROWS_AT_ONCE) break
    }
    await session.query('close summary')
  }
  await session.query('commit')
  return union.finish()
}

const forkNames = Object.keys(forks) as ForkName[]

/** Pure: our map, and row by row what the summaries add. */
export class Union {
  readonly missed: SummaryMiss[] = []
  private readonly own: ChangeMap
  private readonly range: SummaryRange
  private readonly more = new Map<
    string,
    { file: RelationFile; fork: ForkName; blocks: Set<number>; cut: number | undefined }
  >()
  private readonly databases: { tablespace: number; database: number }[] = []
  private lastKey = ''
  private lastKnown: ReadonlySet<number> = new Set()

  constructor(own: ChangeMap, range: SummaryRange) {
    this.own = own
    this.range = range
  }

  add(row: Row, from: Summary): void {
    const file = {
      tablespace: Number(row.tablespace),
      database: Number(row.database),
      relfilenode: Number(row.relfilenode),
    }
    const { tablespace, database, relfilenode } = file
    if (this.own.isDatabaseDoubtful(tablespace, database)) return
    if (relfilenode === 0) {
      this.databases.push({ tablespace, database })
      return
    }
    const fork = forkNames[row.fork]
    if (fork === undefined) return
    const block = Number(row.block)
    const known = this.own.fork(file, fork)
    const cut = known?.cut ?? Infinity
    if (row.is_limit ? cut <= block : block >= cut || this.knows(file, fork).has(block)) return
    const key = `${tablespace}/${database}/${relfilenode}/${fork}`
    const entry = this.more.get(key) ?? { file, fork, blocks: new Set<number>(), cut: undefined }
    this.more.set(key, entry)
    if (row.is_limit) entry.cut = Math.min(entry.cut ?? Infinity, block)
    else entry.blocks.add(block)
    // A summary that reaches beyond our range says more than we ask: that is no miss of ours.
    const within = from.startLsn >= this.range.fromLsn && from.endLsn <= this.range.untilLsn
    if (within) this.missed.push({ file, fork, block: row.is_limit ? undefined : block })
  }

  private knows(file: RelationFile, fork: ForkName): ReadonlySet<number> {
    const key = `${file.tablespace}/${file.database}/${file.relfilenode}/${fork}`
    if (key !== this.lastKey) {
      this.lastKey = key
      this.lastKnown = new Set(this.own.fork(file, fork)?.blocks)
    }
    return this.lastKnown
  }

  finish(): { map: ChangeMap; missed: readonly SummaryMiss[] } {
    if (this.more.size === 0 && this.databases.length === 0) return { map: this.own, missed: this.missed }
    const builder = new ChangeMapBuilder(this.own.startLsn)
    builder.addMap(this.own)
    for (const { tablespace, database } of this.databases) builder.doubtDatabase(tablespace, database)
    for (const { file, fork, blocks, cut } of this.more.values()) {
      const target = builder.fork(file.tablespace, file.database, file.relfilenode, forks[fork])
      if (cut !== undefined) target.cut(cut)
      for (const block of blocks) target.add(block)
    }
    return { map: builder.finish(this.own.endLsn), missed: this.missed }
  }
}
