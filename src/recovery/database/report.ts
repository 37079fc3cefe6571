// What a recovery of a database says when it is done.
import { formatDuration, formatSize } from '../../base/units.ts'

export interface DatabaseReport {
  readonly warehouse: string
  /** As it was called at the target. */
  readonly database: string
  /** The new database on the live server. */
  readonly place: string
  readonly backup: string
  readonly target: string
  readonly lsn: string
  readonly tables: number
  readonly rows: number
  readonly sequences: number
  readonly largeObjects: number
  readonly notes: readonly string[]
  /** Plain bytes in the sandbox; stored bytes that were read for it; bytes of rows that were copied. */
  readonly restoredBytes: number
  readonly fetchedBytes: number
  readonly copiedBytes: number
  readonly durationMs: number
}

export function reportText(report: DatabaseReport): string {
  const { tables, rows, sequences, largeObjects } = report
  return [
    `recovered database ${report.database} from backup ${report.backup} to ${report.target} (${report.lsn})`,
    `it is database ${report.place} of ${report.warehouse} now: ${tables} tables with ${rows} rows, ${sequences} sequences${largeObjects > 0 ? `, ${largeObjects} large objects` : ''}`,
    `restored ${formatSize(report.restoredBytes)} (${formatSize(report.fetchedBytes)} read), copied ${formatSize(report.copiedBytes)} in ${formatDuration(report.durationMs)}`,
    ...report.notes.map((note) => `note: ${note}`),
  ].join('\n')
}
