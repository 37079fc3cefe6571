// WAL that comes by archive_command alone: whoever needs it has the server finish its segment, and looks into the repositories until it is there.
import { messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import type { Repository, WalRange } from '../../repository/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { withoutPageHeader } from '../../wal/segments.ts'
import { warehouses, type ServerFacts, type Warehouse } from '../../warehouse/contract.ts'
import { receiverErrors } from './errors.ts'
import { openAll } from './standing.ts'

/** Looking costs a listing of the timeline's WAL: soon at first, then seldom. */
const FIRST_LOOK_MS = 100
const LONGEST_LOOK_MS = 2000
/** How long nothing may arrive before we give up: the server asks archive_command again after a minute. */
const PATIENCE_MS = 180_000

export interface ArchivedWal extends AsyncDisposable {
  waitDurable(lsn: Lsn, signal: AbortSignal): Promise<void>
  waitUntilDurable(at: { timeline: number; lsn: Lsn }, signal: AbortSignal): Promise<void>
}

/** With `repository` that one alone counts, else every required one. */
export async function awaitArchive(
  context: Context,
  name: string,
  signal: AbortSignal,
  repository?: Repository,
): Promise<ArchivedWal> {
  const warehouse = (await context.use(warehouses)).get(name)
  const repositories = repository ? [repository] : await requiredRepositories(context, warehouse, signal)
  if (repositories.length === 0) throw receiverErrors.notReceiving({ warehouse: name })
  const facts = await warehouse.facts(signal)
  const waiting = new Waiting({ context, warehouse, repositories, facts })
  await waiting.checkArchiver(signal)
  return waiting
}

export async function requiredRepositories(
  context: Context,
  warehouse: Warehouse,
  signal: AbortSignal,
): Promise<readonly Repository[]> {
  const { opened, away } = await openAll(context, warehouse, signal)
  const { optionalRepositories } = warehouse.declaration
  const missing = away.find(({ name }) => !optionalRepositories.includes(name))
  if (missing) throw missing.error
  return opened.filter(({ name }) => !optionalRepositories.includes(name))
}

class Waiting implements ArchivedWal {
  private readonly parts: {
    context: Context
    warehouse: Warehouse
    repositories: readonly Repository[]
    facts: ServerFacts
  }

  constructor(parts: Waiting['parts']) {
    this.parts = parts
  }

  /** Nobody waits for a server that archives nothing. */
  async checkArchiver(signal: AbortSignal): Promise<void> {
    await using session = await this.session(signal)
    const [row] = await session.query<{ mode: string; command: string }>(
      "SELECT current_setting('archive_mode') AS mode, current_setting('archive_command') || current_setting('archive_library') AS command",
    )
    if (row!.mode === 'off' || row!.command === '' || row!.command === '(disabled)')
      throw receiverErrors.archivesNothing({ warehouse: this.name })
  }

  waitDurable(lsn: Lsn, signal: AbortSignal): Promise<void> {
    return this.waitUntilDurable({ timeline: this.parts.facts.timeline, lsn }, signal)
  }

  async waitUntilDurable(at: { timeline: number; lsn: Lsn }, signal: AbortSignal): Promise<void> {
    const { context, facts } = this.parts
    const wanted = withoutPageHeader(at.lsn, facts.walSegmentBytes)
    const { clock } = context
    let arrivedAt = clock.monotonic()
    let furthest = -1n
    for (let pause = FIRST_LOOK_MS, switched = false; ; pause = Math.min(pause * 2, LONGEST_LOOK_MS)) {
      const end = await this.keptUpTo(at.timeline, wanted, signal)
      if (end >= wanted) return
      if (!switched) {
        await this.finishSegment(wanted, signal)
        switched = true
      }
      if (end > furthest) {
        furthest = end
        arrivedAt = clock.monotonic()
      } else if (clock.monotonic() - arrivedAt > PATIENCE_MS) throw await this.late(wanted, signal)
      await clock.sleep(pause, signal)
    }
  }

  /** Where the repository ends that is furthest behind; at least `wanted` once all have it. */
  private async keptUpTo(timeline: number, wanted: Lsn, signal: AbortSignal): Promise<Lsn> {
    const { facts, repositories } = this.parts
    let least: Lsn | undefined
    for (const { wal } of repositories) {
      const ranges = await wal.ranges(facts.systemIdentifier, signal)
      const end = endOf(ranges, timeline, wanted)
      if (least === undefined || end < least) least = end
    }
    return least ?? 0n
  }

  /** Only a finished segment is archived; one that nobody has written into since the last switch is left alone by the server. */
  private async finishSegment(wanted: Lsn, signal: AbortSignal): Promise<void> {
    await using session = await this.session(signal)
    const size = BigInt(this.parts.facts.walSegmentBytes)
    const nextSegment = ((wanted - 1n) / size + 1n) * size
    try {
      await session.query('SELECT pg_switch_wal() WHERE pg_current_wal_insert_lsn() < $1::pg_lsn', [
        formatLsn(nextSegment),
      ])
    } catch (error) {
      if (signal.aborted) throw error
      this.parts.context.log.warn(
        { warehouse: this.name, reason: messageOf(error) },
        'the server was not asked to finish its WAL segment: the backup waits until it does by itself',
      )
    }
  }

  private async late(wanted: Lsn, signal: AbortSignal): Promise<Error> {
    await using session = await this.session(signal)
    const [row] = await session.query<{ name: string | null }>(
      'SELECT last_failed_wal AS name FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, last_failed_time - interval $$1 s$$)',
    )
    const why = row?.name
      ? `archive_command fails for ${row.name}: see the server's log`
      : 'nothing was archived meanwhile'
    return receiverErrors.noWalYet({ warehouse: this.name, lsn: formatLsn(wanted), why })
  }

  private get name(): string {
    return this.parts.warehouse.declaration.name
  }

  private session(signal: AbortSignal) {
    return this.parts.warehouse.connect({ purpose: 'receive', signal, statementTimeoutMs: 30_000 })
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** End of the range that leads to `wanted`, or of the last one before it. */
function endOf(ranges: readonly WalRange[], timeline: number, wanted: Lsn): Lsn {
  return ranges
    .filter((range) => range.timeline === timeline && range.startLsn < wanted)
    .reduce((end, range) => (range.endLsn > end ? range.endLsn : end), 0n)
}
