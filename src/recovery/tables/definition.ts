// What a table is like beside its rows, read from the catalogs of a sandbox. Texts are PostgreSQL's own (`pg_get_…def`), made with an empty search_path, so that every name in
// them is qualified and those of the table can be found and replaced exactly.
import type { FoundTable } from './find.ts'

export interface Grant {
  /** Undefined: PUBLIC. */
  readonly grantee: string | undefined
  readonly privilege: string
  readonly grantable: boolean
}

export interface Column {
  readonly name: string
  readonly type: string
  /** Qualified; undefined: the type's own. */
  readonly collation: string | undefined
  readonly notNull: boolean
  /** Of the default, or of a generated column. */
  readonly expression: string | undefined
  /** '' | 's' (stored) | 'v' (virtual). */
  readonly generated: string
  /** '' | 'a' (always) | 'd' (by default). */
  readonly identity: string
  /** plain, external, extended, main: where it is not the type's own. */
  readonly storage: string | undefined
  readonly compression: string | undefined
  readonly statistics: number | undefined
  readonly options: readonly string[]
  readonly comment: string | undefined
  readonly grants: readonly Grant[]
  /** Whether rows of it can be sent in binary. */
  readonly binary: boolean
}

export interface Constraint {
  readonly name: string
  /** c, n, p, u, x, f. */
  readonly kind: string
  /** As ALTER TABLE … ADD CONSTRAINT takes it. */
  readonly text: string
  readonly comment: string | undefined
  /** The index behind it. */
  readonly index: number | undefined
  readonly indexMethod: string | undefined
  readonly deferrable: boolean
  readonly deferred: boolean
  /** 18: WITHOUT OVERLAPS. */
  readonly period: boolean
  readonly validated: boolean
  /** The other table of a foreign key. */
  readonly references:
    | { readonly oid: number; readonly schema: string; readonly name: string; readonly qualified: string }
    | undefined
  /** Of a foreign key: a test of `this` against `that`, for counting rows without a match. */
  readonly pairs: readonly { readonly own: string; readonly other: string; readonly operator: string }[]
}

export interface Index {
  readonly oid: number
  readonly name: string
  /** As PostgreSQL prints it. */
  readonly quoted: string
  readonly text: string
  readonly method: string
  readonly unique: boolean
  readonly valid: boolean
  readonly tablespace: string | undefined
  /** The partitioned index that it is a part of. */
  readonly parent: number | undefined
  readonly clustered: boolean
  readonly comment: string | undefined
  /** Targets of its expressions' statistics, by column number. */
  readonly statistics: readonly { readonly column: number; readonly target: number }[]
}

export interface Sequence {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** As it stands in a default: `'sales.orders_id_seq'`. */
  readonly literal: string
  readonly type: string
  readonly start: string
  readonly increment: string
  readonly min: string
  readonly max: string
  readonly cache: string
  readonly cycle: boolean
  readonly owner: string
  readonly column: string
  readonly identity: boolean
  readonly comment: string | undefined
  readonly grants: readonly Grant[] | undefined
}

export interface Trigger {
  readonly name: string
  readonly text: string
  readonly enabled: string
  readonly comment: string | undefined
}

export interface Policy {
  readonly name: string
  readonly permissive: boolean
  readonly command: string
  readonly roles: readonly string[]
  readonly using: string | undefined
  readonly check: string | undefined
  readonly comment: string | undefined
}

export interface Statistics {
  readonly schema: string
  readonly name: string
  readonly qualified: string
  readonly text: string
  readonly target: number | undefined
  readonly comment: string | undefined
}

/** A table of the sandbox that comes back. */
export type TableDefinition = FoundTable & TableShape

export interface TableShape {
  /** Its name as PostgreSQL prints it. */
  readonly qualified: string
  readonly owner: string
  readonly tablespace: string | undefined
  readonly options: readonly string[]
  readonly toastOptions: readonly string[]
  /** Undefined: as PostgreSQL gives them to a new table. */
  readonly grants: readonly Grant[] | undefined
  readonly comment: string | undefined
  readonly rowSecurity: boolean
  readonly forceRowSecurity: boolean
  /** d, n, f, i. */
  readonly replicaIdentity: string
  readonly replicaIndex: string | undefined
  readonly partitionKey: string | undefined
  readonly partitionOf:
    | { readonly oid: number; readonly schema: string; readonly name: string; readonly bound: string }
    | undefined
  readonly inherits: readonly { readonly oid: number; readonly schema: string; readonly name: string }[]
  readonly columns: readonly Column[]
  readonly constraints: readonly Constraint[]
  readonly indexes: readonly Index[]
  readonly sequences: readonly Sequence[]
  readonly triggers: readonly Trigger[]
  readonly policies: readonly Policy[]
  readonly statistics: readonly Statistics[]
  /** Names of rewrite rules: they are not carried over. */
  readonly rules: readonly string[]
}
