// What operations of other rooms answer, as far as the console shows it.

/** A prediction: milliseconds, with the bounds of its interval of 80 %. */
export interface Span {
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  readonly basis: 'measured' | 'assumed'
}

/** What `recover plan` answers, whatever is recovered. Times ISO 8601, LSNs as text. */
export interface AnyPlanJson {
  readonly warehouse: string
  readonly repository: string
  readonly backup: {
    readonly id: string
    readonly kind: string
    readonly finishedAt: string
    readonly stopLsn: string
    readonly files: number
  }
  readonly target: {
    readonly asked: string
    readonly resolved: string
    readonly lsn: string
    readonly timeline: number
  }
  readonly steps: readonly PlanStep[]
  readonly time: Span
  readonly space: readonly SpaceJson[]
  readonly lost: LostJson
  /** Why this backup. */
  readonly because?: string
  readonly notes: readonly string[]
}

export interface PlanStep extends Span {
  readonly step: string
  readonly what: string
  readonly bytes: number
}

export interface SpaceJson {
  readonly neededBytes: number
  readonly freeBytes: number
  readonly folders: readonly string[]
}

export interface LostJson {
  readonly transactions?: { readonly count: number; readonly first: string; readonly last: string } | null
  /** Why transactions and loads could not be counted. */
  readonly uncounted?: string | null
  readonly loads: readonly string[]
  readonly unlogged: {
    readonly relations: readonly string[]
    readonly bytes: number
    /** What kept loads bring back of them. */
    readonly replay?: Span & {
      readonly loads: number
      readonly tables: readonly string[]
      readonly missing: readonly string[]
    }
  }
  /** Left out of backups by tier. */
  readonly scratch: { readonly relations: readonly string[]; readonly bytes: number }
  readonly hole?: { readonly from: string; readonly to: string; readonly minimal?: true } | null
  readonly corrupt: readonly string[]
}

/** Of a whole warehouse. */
export interface PlanJson extends AnyPlanJson {
  readonly directory: string
  readonly tablespaces: readonly { readonly name: string; readonly from: string; readonly to: string }[]
  readonly wal: { readonly fromLsn: string; readonly toLsn: string; readonly bytes: number }
  readonly tiers?: readonly (Span & {
    readonly tier: 'critical' | 'standard'
    readonly bytes: number
    readonly relations?: number
  })[]
  /** Other backups that lead to the target. */
  readonly alternatives?: readonly {
    readonly backup: string
    readonly kind: string
    readonly finishedAt: string
    readonly bytes: number
    readonly walBytes: number
    readonly time: Span
  }[]
}

/** Of tables, through a sandbox. */
export interface PartPlanJson extends AnyPlanJson {
  readonly way: string
  readonly what: readonly string[]
  readonly size: {
    readonly files: number
    readonly wantedBytes: number
    readonly catalogBytes: number
    readonly walBytes: number
  }
  /** What will be done on the live server. */
  readonly live: readonly string[]
}

/** `recover table`. */
export interface TablesJson {
  readonly database: string
  readonly backup: string
  readonly target: string
  readonly lsn: string
  readonly tables: readonly RecoveredTableJson[]
  readonly notes: readonly string[]
  readonly fetchedBytes: number
  readonly copiedBytes: number
  readonly durationMs: number
}

export interface RecoveredTableJson {
  readonly table: string
  readonly rows: number
  readonly partitions: number
  readonly outcome: 'beside' | 'swapped' | 'merged' | 'returned' | 'compared'
  readonly place?: string
  readonly keptAs?: string
  readonly merged?: { readonly inserted: number; readonly restored: number }
  readonly diff?: {
    readonly key?: readonly string[]
    readonly rowsThen: number
    readonly rowsNow: number
    readonly missing: number
    readonly changed?: number
    readonly extra: number
    readonly samples: {
      readonly missing: readonly string[]
      readonly changed: readonly string[]
      readonly extra: readonly string[]
    }
    readonly columns: {
      readonly onlyThen: readonly string[]
      readonly onlyNow: readonly string[]
      readonly otherType: readonly string[]
    }
  }
}

/** `recover database`. */
export interface DatabaseJson {
  readonly database: string
  /** The new database. */
  readonly place: string
  readonly target: string
  readonly tables: number
  readonly rows: number
  readonly notes: readonly string[]
  readonly durationMs: number
}

/** `recover accuracy`. Shares and ratios as fractions; null for none. */
export interface ScoreJson {
  readonly count: number
  readonly medianError: number | null
  readonly coverage: number | null
  /** Measured / predicted. */
  readonly bias: number | null
  readonly expectedMs: number | null
  readonly measuredMs: number | null
}

export interface StepScoreJson extends ScoreJson {
  readonly step: string
  readonly kind: string | null
}

export interface ScoredRecoveryJson extends Span {
  readonly at: string
  readonly warehouse: string
  readonly way: string
  readonly backup: string
  /** The one that was off by the most time. */
  readonly step: string | null
  readonly measuredMs: number
  readonly within: boolean
}

export interface AccuracyJson {
  readonly records: number
  readonly measured: ScoreJson
  readonly assumed: ScoreJson
  readonly ways: readonly (ScoreJson & { readonly way: string })[]
  readonly steps: readonly StepScoreJson[]
  readonly guessed: readonly StepScoreJson[]
  readonly worst: readonly ScoredRecoveryJson[]
  readonly recoveries: readonly ScoredRecoveryJson[]
}

/** `backup show`. */
export interface BackupJson {
  readonly id: string
  readonly warehouse: string
  readonly repository: string
  readonly kind: 'full' | 'differential' | 'incremental'
  readonly parent?: string
  readonly startedAt: string
  readonly finishedAt: string
  readonly durationMs: number
  readonly timeline: number
  readonly startLsn: string
  readonly stopLsn: string
  readonly postgresVersion: number
  readonly dataChecksums: boolean
  readonly clusterBytes: number
  readonly readBytes: number
  readonly newBytes: number
  readonly storedBytes: number
  readonly sharedBytes: number
  readonly files: number
  readonly relations: number
  readonly unlogged: readonly { readonly database?: string; readonly relation: string; readonly bytes: number }[]
  readonly corrupt: readonly {
    readonly file: string
    readonly block: number
    readonly reason: string
    readonly database?: string
    readonly relation?: string
  }[]
  readonly notes: readonly string[]
}

/** `backup list`: also those that are not complete. */
export type BackupLine =
  | (Pick<
      BackupJson,
      | 'id'
      | 'warehouse'
      | 'repository'
      | 'kind'
      | 'startedAt'
      | 'finishedAt'
      | 'durationMs'
      | 'clusterBytes'
      | 'newBytes'
      | 'storedBytes'
    > & {
      readonly state: 'complete'
      readonly corruptBlocks: number
      readonly unloggedBytes: number
    })
  | {
      readonly state: 'running' | 'unfinished'
      readonly id: string
      readonly warehouse: string
      readonly repository: string
      readonly startedAt: string
    }
  | { readonly state: 'damaged'; readonly id: string; readonly repository: string; readonly problem: string }

/** `drill list`: evidence that cannot be read has nulls. */
export interface DrillLine {
  readonly number: number
  readonly id: string | null
  readonly startedAt: string | null
  readonly outcome: string | null
  readonly backup: string | null
  readonly recoveryMs: number | null
  readonly findings: number
  readonly problems: readonly string[]
}

/** `recover when table`. */
export interface WhenJson {
  readonly database: string
  readonly relation: string
  readonly events: readonly {
    readonly kind: string
    readonly at: string
    /** Start of the commit record: recovery to it is the moment before. */
    readonly lsn: string
    readonly xid: number
    readonly load?: string
    readonly rows: { readonly deleted: number; readonly updated: number; readonly inserted: number }
    readonly isAtLeast: boolean
    readonly detail: string
    readonly undo: readonly string[]
  }[]
  readonly leftOut: { readonly events: number }
  readonly notes: readonly string[]
}
