// After a recovery to a point in time the new timeline begins there, and for some time has nothing: what users saw then is on the one that was left.
import type { CommitEntry } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { knownTimelines, openHistory, type HistoryView, type WalIndex } from './commit-index.ts'
import { endsTransaction, isLater, type Moment } from './moments.ts'
import { formatMoment } from './time.ts'

export interface AsideParts {
  readonly wal: WalIndex
  /** That is followed. */
  readonly history: HistoryView
  readonly systemIdentifier: bigint
  /** From where on everything is known. */
  readonly firstLsn: Lsn
  /** Where the history that is followed stops for the moment. */
  readonly untilLsn: Lsn
  readonly moment: Moment
  readonly signal: AbortSignal
}

/** What to tell of a timeline that was left and had committed more by the moment; undefined where none had. */
export async function whatAnotherHad(parts: AsideParts): Promise<string | undefined> {
  const { wal, systemIdentifier, moment, signal } = parts
  const { spans, ranges, timeline: own } = parts.history
  const before = await parts.history.lastEntry(parts.firstLsn, parts.untilLsn)
  for (const timeline of knownTimelines(ranges).filter((one) => one !== own)) {
    const view = await openHistory({ wal, systemIdentifier, timeline, signal }).catch(() => undefined)
    if (!view) continue
    const leftLsn = spans.find((one) => one.timeline === timeline)?.endLsn ?? view.spans.at(-1)!.startLsn
    // It is a hint: WAL of a timeline that nobody goes to keeps nobody from going elsewhere.
    const last = await lastBy(view, leftLsn, moment).catch(() => undefined)
    signal.throwIfAborted()
    if (!last || (before && before.timeUs >= last.timeUs)) continue
    const ours = before ? `the commit of ${formatMoment(before.timeUs)}` : 'nothing'
    return `timeline ${timeline}, which was left, had the commit of ${formatMoment(last.timeUs)} by then; this is timeline ${own}, and ends with ${ours}: --timeline ${timeline} leads to the other`
  }
  return undefined
}

/** The last end of a transaction from there on that is not later than the moment. */
async function lastBy(view: HistoryView, fromLsn: Lsn, moment: Moment): Promise<CommitEntry | undefined> {
  let last: CommitEntry | undefined
  for await (const entry of view.entries(fromLsn)) {
    if (!endsTransaction(entry) || entry.startLsn < fromLsn) continue
    if (isLater(entry, moment)) break
    last = entry
  }
  return last
}
