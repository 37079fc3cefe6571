// Writes to unlogged tables that no load of the journal explains: somebody else's, or a load's that failed after it had written.

/** What the counters of one table said at one time. */
export interface Observation {
  /** ISO 8601. */
  readonly at: string
  /** A table that was made anew counts from nothing. */
  readonly oid: number
  readonly rowsWritten: number
  readonly rowsByLoads: number
}

export interface ForeignWrites {
  /** All that is not explained, since the counters began. */
  readonly rows: number
  /** Between which two looks the last of it was written; `after` is null where it was there at the first look. */
  readonly after: string | null
  readonly before: string
}

/** `observations` oldest first, the present one last. Undefined where the journal explains everything. */
export function foreignWrites(observations: readonly Observation[]): ForeignWrites | undefined {
  let last: ForeignWrites | undefined
  let previous: Observation | undefined
  for (const now of observations) {
    const isNew = previous !== undefined && previous.oid !== now.oid
    if (isNew) last = undefined
    const countsAnew = previous === undefined || isNew || now.rowsWritten < previous.rowsWritten
    const rows = unexplained(now)
    if (rows > (countsAnew ? 0 : unexplained(previous!))) last = { rows, after: previous?.at ?? null, before: now.at }
    previous = now
  }
  return last
}

/** After a crash PostgreSQL counts from nothing, the journal does not: then nothing is left to explain, and nothing is claimed. */
function unexplained({ rowsWritten, rowsByLoads }: Observation): number {
  return Math.max(0, rowsWritten - rowsByLoads)
}
