// What a repository holds of loads with `keep: inputs`: enough to run them again with nothing else at hand.
import type { Lsn } from '../wal/lsn.ts'

/** A stretch of at most 16 MiB of a content; equal ones are stored once. */
export interface KeptPiece {
  readonly object: string
  readonly bytes: number
  readonly sha256: string
}

/** Plain bytes and their SHA-256 (hex). */
export interface KeptContent {
  readonly bytes: number
  readonly sha256: string
  readonly pieces: readonly KeptPiece[]
}

export interface KeptInput {
  readonly name: string
  readonly sha256: string
  readonly bytes: number
}

/** One thing that a load did, in its order. */
export type KeptStep =
  | { readonly kind: 'statement'; readonly sql: string }
  | { readonly kind: 'script'; readonly name: string; readonly content: KeptContent }
  /** `sql` is COPY … FROM STDIN; `content` what it was sent; `original` the file from which that was made. */
  | {
      readonly kind: 'copy'
      readonly sql: string
      readonly content: KeptContent
      readonly rows: number
      readonly original: KeptInput
    }
  /** Cannot be replayed. `variables` are names only. */
  | {
      readonly kind: 'command'
      readonly argv: readonly string[]
      readonly folder: string
      readonly variables: readonly string[]
    }

/** Its entry of the journal, as the load wrote it. */
export interface KeptJournal {
  readonly pipeline: string
  readonly task: string
  readonly runId: string
  readonly item: string
  readonly token: string
  readonly businessDate: string | null
  readonly startedAt: string
  readonly logged: boolean
  readonly rows: number
  readonly inputs: readonly KeptInput[]
  /** Relation (`schema.name`) → rows inserted, updated and deleted. */
  readonly written: Readonly<Record<string, number>>
}

export interface KeptLoad {
  readonly id: string
  readonly warehouse: string
  readonly database: string
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly postgresVersion: number
  readonly madeBy: string
  /** End of WAL right before the mark of the load: it commits behind this. Orders loads as their commits do, as far as one saw the other. */
  readonly lsn: Lsn
  /** Undefined for a command. */
  readonly xid: bigint | undefined
  readonly keptMs: number
  readonly workMs: number
  readonly role: string
  readonly settings: Readonly<Record<string, string>>
  readonly isolation: string
  /** Set for the transaction alone. */
  readonly parameters: Readonly<Record<string, string>>
  readonly steps: readonly KeptStep[]
  readonly journal: KeptJournal
  /** Tables with unlogged storage that it wrote; `root` is the partitioned table that `journal.written` and `replaces` name for it, or itself. */
  readonly unlogged: readonly { readonly relation: string; readonly root: string }[]
  /** Those with logged storage. */
  readonly alsoLogged: readonly string[]
  readonly replaces: readonly string[]
  readonly reads: readonly string[]
  /** Written relation → id of the load before it that wrote it too. */
  readonly follows: Readonly<Record<string, string | null>>
  readonly file: (KeptInput & { readonly modifiedMs: number }) | null
}

/** How a kept load ended, by WAL. `unknown`: WAL of its timeline is not there, or not far enough. */
export type KeptOutcome =
  | { readonly state: 'committed'; readonly lsn: Lsn; readonly timeUs: bigint }
  | { readonly state: 'aborted' | 'absent' | 'unknown' }

/** Takes what is sent to COPY, or a script, piece by piece. */
export interface KeptContentWriter {
  write(bytes: Buffer): Promise<void>
  finish(): Promise<KeptContent>
}

/** One load being kept: holds a lease of a reader until its end, so that nothing that it shares expires. */
export interface KeptWriter extends AsyncDisposable {
  content(): KeptContentWriter
  /** Pieces durable, then the head. Rejects with `repository.lease-lost` where the lease ran out meanwhile. */
  commit(load: Omit<KeptLoad, 'warehouse'>): Promise<void>
  /** Rejects unless the lease is held still: right before the load commits. */
  demandLease(): void
  /** Takes the head of this load away again: it was rolled back. Others that this writer has committed stay. Never rejects. */
  withdraw(id: string): Promise<void>
}

export interface KeptLoads {
  begin(options: { warehouse: string; purpose: string; signal: AbortSignal }): Promise<KeptWriter>
  /** By position in WAL, cluster by cluster; those under a tombstone are left out. A damaged head rejects unless `onDamaged` is given. */
  list(
    warehouse: string,
    signal: AbortSignal,
    options?: { onDamaged?: (object: string, error: Error) => void },
  ): Promise<readonly KeptLoad[]>
  /** The plain bytes; rejects with `repository.damaged-object` at the first piece that is not what was kept. */
  read(content: KeptContent, signal: AbortSignal): AsyncIterable<Buffer>
  /** From the commit index of the WAL behind it. */
  outcome(load: KeptLoad, signal: AbortSignal): Promise<KeptOutcome>
}
