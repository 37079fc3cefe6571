// What can have made rows vanish.
import type { Lsn } from '../../wal/lsn.ts'

/**
 * `rewrite`: new files with the rows that there were (VACUUM FULL, CLUSTER, ALTER TABLE). `detach`: a partition left its table. `create`: a relation took
 * the name; `rename`: it gave the name up. `gone`: its files are gone, and WAL does not tell whether by a drop, a truncation or a rewrite.
 */
export type EventKind = 'delete' | 'update' | 'truncate' | 'drop' | 'detach' | 'rename' | 'rewrite' | 'create' | 'gone'

export interface RowCounts {
  deleted: number
  /** Moves to other partitions among them. */
  updated: number
  inserted: number
}

/** What one committed transaction did to the relation, of one kind. */
export interface FoundEvent {
  readonly kind: EventKind
  readonly xid: number
  /** Of the commit record. */
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  /** Microseconds since 1970 UTC, by the server's clock. */
  readonly timeUs: bigint
  /** `schema.name`, as they were called before. */
  readonly relations: readonly string[]
  readonly rows: Readonly<RowCounts>
  /** The transaction began before the WAL that was read: it may have changed more. */
  readonly isAtLeast: boolean
  readonly detail: string
}
