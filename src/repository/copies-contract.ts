// What a repository holds beside backups and WAL: copies of unlogged tables, and notices.
/** One table of a copy: its rows as `COPY … TO STDOUT (FORMAT binary)` gives them. */
export interface CopiedTable {
  readonly database: string
  readonly schema: string
  readonly name: string
  /** In the order of the stream, with their types as format_type() prints them. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: number
  /** Of the stream. */
  readonly bytes: number
  readonly sha256: string
}

/** Unlogged tables as they were at one moment each: what a plain restore brings back empty. Immutable. */
export interface TableCopy {
  readonly id: string
  readonly warehouse: string
  readonly systemIdentifier: bigint
  readonly postgresVersion: number
  /** When the first snapshot was taken, epoch milliseconds at the server. */
  readonly takenMs: number
  readonly tables: readonly CopiedTable[]
  /** For each database the newest load that is not logged and that the copy holds; none where there was none. */
  readonly loads: readonly { readonly database: string; readonly load: string }[]
}

export interface TableCopyWriter {
  readonly id: string
  /** Stores one table; `rows` is asked after the stream has ended. */
  add(
    table: Pick<CopiedTable, 'database' | 'schema' | 'name' | 'columns'>,
    content: { readonly stream: AsyncIterable<Buffer>; rows(): number },
    signal: AbortSignal,
  ): Promise<CopiedTable>
  /** The copy is complete and durable when it resolves; before that it does not exist for readers. */
  commit(about: Omit<TableCopy, 'id' | 'warehouse' | 'tables'>, signal: AbortSignal): Promise<TableCopy>
}

export interface TableCopies {
  begin(options: { warehouse: string; signal: AbortSignal }): Promise<TableCopyWriter>
  /** Complete copies, oldest first. */
  list(warehouse: string, signal: AbortSignal): Promise<readonly TableCopy[]>
  /** The stream as it was stored; rejects with `repository.damaged-object` at the first byte that is not. Proven whole when it has ended. */
  read(copy: TableCopy, table: CopiedTable, signal: AbortSignal): AsyncIterable<Buffer>
  /** Its head first: what is half removed is no copy. */
  remove(copy: TableCopy, signal: AbortSignal): Promise<void>
}

/** Something an operator must hear of, left in the repository by who could reach nobody else (`wharf wal push` on the server's host). */
export interface Notice {
  readonly warehouse: string
  /** Stable word, as in events: `wal-conflict`. */
  readonly reason: string
  /** When, by the clock of who left it (epoch milliseconds). */
  readonly atMs: number
  readonly data: Readonly<Record<string, string>>
}

export interface Notices {
  put(notice: Notice, signal: AbortSignal): Promise<void>
  /** Oldest first. What cannot be read is passed over: check names it. */
  list(warehouse: string, signal: AbortSignal): Promise<readonly (Notice & { readonly object: string })[]>
  remove(object: string, signal: AbortSignal): Promise<void>
}
