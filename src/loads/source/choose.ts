// Of the files that are there: which to load now. The ledger in the warehouse says what was loaded before.
import type { Session } from '../../warehouse/contract.ts'
import type { FoundFile } from './find.ts'

export interface LedgerEntry {
  readonly sha256: string
  readonly bytes: number
  readonly modifiedMs: number
}

export async function readLedger(
  session: Session,
  pipeline: string,
  task: string,
): Promise<ReadonlyMap<string, LedgerEntry>> {
  const rows = await session.query<{ name: string; sha256: string; bytes: string; modified_at: Date }>(
    'select name, sha256, bytes::text, modified_at from wharf.load_file where pipeline = $1 and task = $2',
    [pipeline, task],
  )
  return new Map(
    rows.map((row) => [
      row.name,
      { sha256: row.sha256, bytes: Number(row.bytes), modifiedMs: row.modified_at.getTime() },
    ]),
  )
}

export interface Choice {
  readonly load: readonly FoundFile[]
  /** Loaded before, and another size or time of change since: to be looked at. */
  readonly touched: readonly FoundFile[]
  /** Still being written; files after it in the order wait with it. */
  readonly unsettled: FoundFile | undefined
}

export interface ChoiceOptions {
  readonly ledger: ReadonlyMap<string, LedgerEntry>
  readonly nowMs: number
  readonly settleMs: number
  readonly again: 'never' | 'when_changed'
  /** Only business dates from … to …, both included. */
  readonly dates?: { readonly from: string; readonly to: string } | undefined
}

export function chooseFiles(found: readonly FoundFile[], options: ChoiceOptions): Choice {
  const load: FoundFile[] = []
  const touched: FoundFile[] = []
  for (const file of found) {
    if (!isWanted(file, options.dates)) continue
    const entry = options.ledger.get(file.name)
    const isTouched = entry !== undefined && (entry.bytes !== file.bytes || entry.modifiedMs !== file.modifiedMs)
    if (isTouched) touched.push(file)
    if (entry !== undefined && !(isTouched && options.again === 'when_changed')) continue
    if (options.nowMs - file.modifiedMs < options.settleMs) return { load, touched, unsettled: file }
    load.push(file)
  }
  return { load, touched, unsettled: undefined }
}

function isWanted(file: FoundFile, dates: ChoiceOptions['dates']): boolean {
  if (!dates || file.businessDate === undefined) return true
  return file.businessDate >= dates.from && file.businessDate <= dates.to
}
