// What became of each block.
import type { Damage } from './judge.ts'
import type { WantedBlock } from './wanted.ts'

export type BlockResult = { readonly block: WantedBlock } & (
  | { readonly outcome: 'healed'; readonly damage: Damage; readonly kept: string }
  /** With --dry-run: it would be healed. */
  | { readonly outcome: 'damaged'; readonly damage: Damage }
  /** It is what backup and WAL give. */
  | { readonly outcome: 'good' }
  | { readonly outcome: 'refused'; readonly why: string }
)

export const beyondEnd = 'the file has no such block'
export const notInWal = 'backup and WAL give no such block'
export const changedSince =
  'WAL changes it after the point that the repository reaches; run again when that WAL is in the repository'
export const walGone =
  "the server's own WAL since the point that the repository reaches is gone or not readable; run again when the repository has it"
export const changedInSandbox =
  'the server that replayed the WAL has changed the page itself, so it is none that the WAL gives'
export const otherBytes = 'its bytes on disk changed while it was being healed'
export const inMemory =
  'the server holds it in memory, and before PostgreSQL 17 nothing but a restart drops it from there: what is on disk may be written over any time'
