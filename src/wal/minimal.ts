// Where a server went to wal_level = minimal: PostgreSQL replays no archive beyond that record. A change map carries it as a doubt with a position.
import { formatLsn, parseLsn, type Lsn } from './lsn.ts'

/** The record at which every replay ends. */
export interface ReplayStop {
  readonly startLsn: Lsn
  readonly endLsn: Lsn
}

const DOUBT = /^wal_level was set to minimal at ([0-9A-F]+\/[0-9A-F]+), up to ([0-9A-F]+\/[0-9A-F]+)$/

export function minimalDoubt({ startLsn, endLsn }: ReplayStop): string {
  return `wal_level was set to minimal at ${formatLsn(startLsn)}, up to ${formatLsn(endLsn)}`
}

/** In no order. */
export function replayStops(doubts: readonly string[]): readonly ReplayStop[] {
  return doubts.flatMap((doubt) => {
    const match = DOUBT.exec(doubt)
    return match ? [{ startLsn: parseLsn(match[1]!), endLsn: parseLsn(match[2]!) }] : []
  })
}
