// What the loads room tells others: pipelines and the journal.
import { serviceKey } from '../base/room.ts'

/** One load that took effect: an entry of the journal in the warehouse itself. */
export interface JournalEntry {
  readonly id: string
  readonly pipeline: string
  readonly task: string
  readonly runId: string
  readonly warehouse: string
  /** Full 64-bit transaction id as text. */
  readonly xid: string
  readonly committedAt: string
  readonly targets: readonly string[]
  readonly inputs: readonly { readonly name: string; readonly sha256: string; readonly bytes: number }[]
  readonly rows: number
  readonly logged: boolean
}

export interface LoadJournal {
  /** Newest first. */
  list(warehouse: string, options: { limit: number; signal: AbortSignal }): Promise<readonly JournalEntry[]>
  get(warehouse: string, id: string, signal: AbortSignal): Promise<JournalEntry | undefined>
}
export const loadJournal = serviceKey<LoadJournal>('load journal')

/** What the loads of one warehouse are doing, for the status page. Times ISO 8601. */
export interface LoadActivity {
  /** Pipelines whose tasks write to the warehouse, with their newest runs, newest first. */
  recent(warehouse: string, options: { limit: number; signal: AbortSignal }): Promise<readonly LoadRun[]>
}
export interface LoadRun {
  readonly runId: string
  readonly pipeline: string
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'
  readonly businessDate: string | undefined
  readonly createdAt: string
  readonly startedAt: string | undefined
  readonly finishedAt: string | undefined
  /** Rows brought in so far, where the task kinds tell. */
  readonly rows: number | undefined
  /** Tasks done and in all. */
  readonly tasksDone: number
  readonly tasks: number
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string } | undefined
}
export const loadActivity = serviceKey<LoadActivity>('load activity')
