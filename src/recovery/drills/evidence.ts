// What a drill leaves behind: a document of what was recovered, how long each step took, what was looked at and what was found.
import type { Prediction, StepTime } from '../rates/times.ts'

/** `interrupted`: its process died, and a later drill noticed. */
export type DrillOutcome = 'passed' | 'failed' | 'cancelled' | 'interrupted'

/** Something that was wrong. Only what is known is there: a damaged extent has file and blocks, a query its name. */
export interface Finding {
  /** `repository`, `recovery`, `environment`, `pages`, `amcheck`, `visibility`, `journal`, `query`. */
  readonly check: string
  readonly message: string
  readonly file?: string
  /** Blocks of that file, as ranges: `128–255`. */
  readonly blocks?: string
  readonly relation?: string
}

/** Rows and sums of one table or partition at the target. Sums of columns of exact numbers, as text. */
export interface CountedTable {
  readonly database: string
  readonly table: string
  readonly rows: string
  readonly sums: readonly { readonly column: string; readonly sum: string | null }[]
}

export interface QueryResult {
  readonly name: string
  readonly database: string
  readonly expected: string
  readonly found: string
  readonly passed: boolean
}

/** Loads by two witnesses: marks in WAL that the repository holds, and rows of the journal in the recovered warehouse. */
export interface JournalProof {
  /** Loads that WAL says were committed between the backup's start and the target. */
  readonly committedByWal: number
  /** Of those, how many the recovered journals have. */
  readonly inJournal: number
  /** Entries of all recovered journals. */
  readonly entries: number
}

export interface DrillProof {
  readonly replayedTo: string | null
  readonly databases: readonly string[]
  readonly pages: { readonly files: number; readonly bytes: number; readonly checksums: boolean } | null
  readonly amcheck: {
    readonly tables: number
    readonly indexes: number
    readonly withoutAmcheck: readonly string[]
  } | null
  readonly visibility: { readonly tables: number; readonly withoutExtension: readonly string[] } | null
  readonly journal: JournalProof | null
  readonly counts: readonly CountedTable[]
  readonly queries: readonly QueryResult[]
}

/** How much of a backup a drill has recovered and looked at. Tables are materialised views, too. */
export interface Coverage {
  readonly tables: number
  readonly ofTables: number
  /** Plain bytes that were restored, of those of the backup. */
  readonly bytes: number
  readonly ofBytes: number
  /** `database.schema.name`, as they were called at the backup; the first thousand. */
  readonly names: readonly string[]
  /** Of them those that could not be looked at: swapped or renamed into place since the backup. */
  readonly unreadable: readonly string[]
}

export interface Evidence {
  readonly version: 1
  /** Counts the drills of this home: the chain shows a document that is missing. */
  readonly number: number
  /** SHA-256 of the sealed document before this one; of 64 zeros for the first. */
  readonly previous: string
  readonly id: string
  readonly warehouse: string
  readonly tier: 'all' | 'critical'
  readonly trigger: 'command' | 'schedule'
  readonly actor: string
  readonly host: string
  readonly startedAt: string
  readonly finishedAt: string
  readonly outcome: DrillOutcome
  readonly repository: string | null
  readonly backup: string | null
  readonly postgresVersion: number | null
  readonly target: {
    readonly asked: string
    readonly resolved: string
    readonly lsn: string
    readonly timeline: number
  } | null
  /** The recovery alone, without what a drill looks at besides. */
  readonly recoveryMs: number | null
  readonly predicted: Prediction | null
  readonly steps: readonly StepTime[]
  readonly durationMs: number
  readonly proof: DrillProof
  /** Of a drill of a tier: how much of the warehouse it was. Left out where it was everything. */
  readonly coverage?: Coverage
  readonly findings: readonly Finding[]
  /** Worth a look, but no failure. */
  readonly notes: readonly string[]
}

export const emptyProof: DrillProof = {
  replayedTo: null,
  databases: [],
  pages: null,
  amcheck: null,
  visibility: null,
  journal: null,
  counts: [],
  queries: [],
}
