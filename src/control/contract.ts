// The control database for the rooms above: SQL, events, leases, holds.
import type { Pool, PoolClient } from 'pg'

import { serviceKey } from '../base/room.ts'

export interface ControlDatabase {
  /** Rows of a query; bigint columns come as bigint, timestamptz as Date. */
  query<Row extends object>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>
  /** One transaction; rolled back if `work` rejects. */
  transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T>
  readonly pool: Pool
  /**
   * Appends a typed event and wakes listeners (NOTIFY). With `client` (of transaction()) it is part of that transaction: let it be the last
   * statement, since events are put in order by a lock that is held until the commit.
   */
  emit(event: ControlEvent, client?: PoolClient): Promise<void>
  /** Events from now on, with a poll floor of 1 s in case a notification is lost. */
  events(options: { kinds?: readonly string[]; afterId?: bigint; signal: AbortSignal }): AsyncIterable<StoredEvent>
  /** True while this process holds the named lease; renewed by itself; fenced by `token`. Undefined if someone else holds it. */
  tryLease(name: string, options: { ttlMs: number; owner: string; signal: AbortSignal }): Promise<HeldLease | undefined>
  /** Names a reason why something must not be deleted. The same id again changes nothing. */
  placeHold(hold: Hold): Promise<void>
  releaseHold(id: string, by: string): Promise<void>
  /** Holds that are in force now; of one kind and subject where given. */
  holds(filter: { kind?: string; subject?: string }): Promise<readonly Hold[]>
  /** Appends to the audit chain: who did what. */
  audit(entry: AuditEntry): Promise<void>
}
/** A named reason why something must not be deleted. `kind` is what is held: `backup`, `wal`, `partition`, `load`. */
export interface Hold {
  readonly id: string
  readonly kind: string
  readonly subject: string
  readonly reason: string
  readonly by: string
  /** Undefined: until it is released. */
  readonly until: Date | undefined
}
export interface AuditEntry {
  readonly actor: string
  /** Name of the operation: `backup run`. */
  readonly action: string
  readonly subject: string
  readonly detail: Readonly<Record<string, unknown>>
}
/** Kinds are `<room>.<what>`, e.g. `backup.finished`, `backup.alert`. `subject` is the warehouse, pipeline or run that it is about. */
export interface ControlEvent {
  readonly kind: string
  readonly subject: string
  readonly data: Readonly<Record<string, unknown>>
}
export interface StoredEvent extends ControlEvent {
  readonly id: bigint
  readonly at: Date
}
export interface HeldLease extends AsyncDisposable {
  readonly token: bigint
  /** Aborted when the lease could not be renewed in time. */
  readonly lost: AbortSignal
  release(): Promise<void>
}

/** Starts or joins the control database and applies migrations on first use. */
export const controlDatabase = serviceKey<ControlDatabase>('control database')
