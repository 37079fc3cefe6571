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
