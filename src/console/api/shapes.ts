// What operations of other rooms answer, as far as the console shows it.

/** `recover plan`. Times ISO 8601, LSNs as text. */
export interface PlanJson {
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
  readonly directory: string
  readonly tablespaces: readonly { readonly name: string; readonly from: string; readonly to: string }[]
  readonly wal: { readonly fromLsn: string; readonly toLsn: string; readonly bytes: number }
  readonly steps: readonly PlanStep[]
  readonly time: {
    readonly expectedMs: number
    readonly lowMs: number
    readonly highMs: number
    readonly basis: 'measured' | 'assumed'
  }
  readonly space: readonly {
    readonly neededBytes: number
    readonly freeBytes: number
    readonly folders: readonly string[]
  }[]
  readonly lost: {
    readonly transactions?: { readonly count: number; readonly first: string; readonly last: string } | null
    readonly loads: readonly string[]
    readonly unlogged: { readonly relations: readonly string[]; readonly bytes: number }
    readonly hole?: { readonly from: string; readonly to: string } | null
    readonly corrupt: readonly string[]
  }
  readonly notes: readonly string[]
}
export interface PlanStep {
  readonly step: string
  readonly what: string
  readonly bytes: number
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  readonly basis: 'measured' | 'assumed'
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
