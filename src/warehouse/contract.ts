// Warehouses and their servers, for the rooms above.
import type { Client } from 'pg'

import { serviceKey } from '../base/room.ts'
import type { Lsn } from '../wal/lsn.ts'

/** A warehouse as wharf.yaml declares it. */
export interface WarehouseDeclaration {
  readonly name: string
  /** Without a password. */
  readonly url: string
  /** Repositories by name, as they were written. */
  readonly repositories: readonly string[]
  /** Those of them that may lag or fail without holding up the others. */
  readonly optionalRepositories: readonly string[]
  /** True for a server that wharf starts itself (the demo, or `managed: true`). */
  readonly managed: boolean
}

/** What the server said about itself. */
export interface ServerFacts {
  /** server_version_num, e.g. 180004. */
  readonly version: number
  readonly majorVersion: number
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly dataDirectory: string
  readonly dataChecksums: boolean
  readonly walLevel: 'minimal' | 'replica' | 'logical'
  readonly fullPageWrites: boolean
  readonly inRecovery: boolean
  readonly walSegmentBytes: number
  readonly blockBytes: number
  readonly tablespaces: readonly {
    readonly oid: number
    readonly name: string
    readonly location: string
    readonly inPlace: boolean
  }[]
  readonly databases: readonly {
    readonly oid: number
    readonly name: string
    readonly bytes: number
    readonly allowsConnections: boolean
  }[]
  readonly bytes: number
  readonly insertLsn: Lsn
  /** Paths of postgresql.conf, pg_hba.conf, pg_ident.conf. */
  readonly configFiles: Readonly<Record<'config_file' | 'hba_file' | 'ident_file', string>>
  readonly settings: Readonly<Record<string, string>>
}

/** Sessions with one warehouse. Every session has application_name `wharf <purpose>`, a connect time-out and is cancelled with its signal. */
export interface Warehouse {
  readonly declaration: WarehouseDeclaration
  /** The standby that backups are read from, where one is declared. Goes by the same name. */
  readonly standby?: Warehouse | undefined
  /** Rejects with `warehouse.unreachable`, `.wrong-password`, `.no-database`, `.denied`, … each with a hint. */
  connect(options: {
    purpose: string
    database?: string
    signal: AbortSignal
    statementTimeoutMs?: number
    lockTimeoutMs?: number
  }): Promise<Session>
  /** `applicationName`: instead of `wharf <purpose>`, for synchronous_standby_names. */
  connectReplication(options: {
    purpose: string
    applicationName?: string | undefined
    signal: AbortSignal
  }): Promise<ReplicationSession>
  facts(signal: AbortSignal): Promise<ServerFacts>
  /** What a worker thread needs for sessions of its own: `openSeededSession(seed)` of `warehouse/workers.ts`. */
  seed(): Promise<WarehouseSeed>
}

/** Where the server was when it was asked. Structured-cloneable; holds a secret (the password): never log it. */
export interface WarehouseSeed {
  readonly target: Readonly<Record<string, unknown>>
  readonly password: string | undefined
}

/** One pg connection; closed by `await using`. On abort the running statement is cancelled on the server and the query rejects. */
export interface Session extends AsyncDisposable {
  readonly client: Client
  /** Rows of a query with parameters, every value as pg gives it (bigint as string unless cast in SQL). */
  query<Row extends object>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>
  /**
   * The rows of a query without parameters as the bytes of their binary form (bytea: its content), undefined for NULL; valid only during the call. Much
   * cheaper than query() for long bytea values.
   */
  binaryRows(select: string, onRow: (fields: readonly (Buffer | undefined)[]) => void): Promise<void>
  /** pid of the backend, for kill that reaches it. */
  readonly backendPid: number
  close(): Promise<void>
}

export interface ReplicationSession extends AsyncDisposable {
  identify(): Promise<{ systemIdentifier: bigint; timeline: number; flushLsn: Lsn }>
  /** Creates the physical slot with reserved WAL unless it is there. */
  ensureSlot(name: string): Promise<{ restartLsn: Lsn | undefined }>
  dropSlot(name: string): Promise<void>
  /** Content of `<timeline>.history`, undefined for timeline 1. */
  timelineHistory(timeline: number): Promise<string | undefined>
  /**
   * Starts streaming at a segment or record boundary; ends when the server ends the timeline (then `next` says where it goes on). With `gatherMs` small
   * messages are read at most that much later, many at a time: a server that commits thousands of times a second sends as many messages.
   */
  stream(options: {
    slot: string | undefined
    timeline: number
    startLsn: Lsn
    signal: AbortSignal
    gatherMs?: number
  }): WalStreamSource
  close(): Promise<void>
}

export interface WalStreamSource {
  /** Stretches of WAL in order without holes. Back-pressure holds the socket. `bytes` are valid until the next one is asked for. */
  messages(): AsyncIterable<{
    readonly startLsn: Lsn
    readonly bytes: Buffer
    /** End of WAL at the server when it was sent. */ readonly serverLsn: Lsn
  }>
  /** Reports positions to the server (write ≤, flush = durable). Also answers keepalives with the last positions by itself. */
  report(positions: { writtenLsn: Lsn; flushedLsn: Lsn }): void
  /** After messages() ended: the next timeline, undefined where the server simply shut down. */
  next(): { timeline: number; startLsn: Lsn } | undefined
  /** Milliseconds (monotonic clock) since the server was last heard. */
  silentForMs(): number
}

export interface Warehouses {
  list(): readonly WarehouseDeclaration[]
  /** Rejects with `warehouse.unknown` and the nearest name. */
  get(name: string): Warehouse
}
export const warehouses = serviceKey<Warehouses>('warehouses')
