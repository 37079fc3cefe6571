// Ends of transactions against a moment, as PostgreSQL compares them.
import type { CommitEntry } from '../../wal/contract.ts'

export interface Moment {
  readonly timeUs: bigint
  readonly inclusive: boolean
}

export function endsTransaction(entry: CommitEntry): boolean {
  return entry.kind === 'commit' || entry.kind === 'abort'
}

export function isLater(entry: CommitEntry, moment: Moment): boolean {
  return moment.inclusive ? entry.timeUs > moment.timeUs : entry.timeUs >= moment.timeUs
}
