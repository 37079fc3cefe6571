// The control database for the rooms above: SQL, events, leases, holds.
import type { Pool, PoolClient } from 'pg'

import { serviceKey } from '../base/room.ts'

export interface ControlDatabase {
  /** Rows of a query; bigint columns come as bigint, timestamptz as Date. */
  query<Row extends object>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>
  /** One transaction; rolled back if `work` rejects. */
  transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T>
  readonly pool: Pool
  /** Appends a typed event and wakes listeners (NOTIFY). */
  emit(event: ControlEvent): Promise<void>
  /** Events from now on, with a poll floor of 1 s in case a notification is lost. */
  events(options: { kinds?: readonly string[]; afterId?: bigint; signal: AbortSignal }): AsyncIterable<StoredEvent>
  /** True while this process holds the named lease; renewed by itself; fenced by `token`. Undefined if someone else holds it. */
  tryLease(name: string, options: { ttlMs: number; owner: string; signal: AbortSignal }): Promise<HeldLease | undefined>
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
