// What a recovery of tables says when it is done.
import { formatTable } from '../../base/table.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import type { TableDiff } from './diff.ts'

export interface RecoveredTable {
  /** As it was called at the target: `sales.orders`. */
  readonly table: string
  readonly rows: number
  readonly partitions: number
  /** `compared`: nothing was left on the live server. `returned`: there was no table of that name any more. */
  readonly outcome: 'beside' | 'swapped' | 'merged' | 'returned' | 'compared'
  /** Where its rows are now. */
  readonly place: string | undefined
  /** `swapped`: the table that was there before. */
  readonly keptAs: string | undefined
  readonly merged: { readonly inserted: number; readonly restored: number } | undefined
  /** Undefined where there was nothing to compare with. */
  readonly diff: TableDiff | undefined
}

export interface TablesReport {
  readonly warehouse: string
  readonly database: string
  readonly backup: string
  readonly target: string
  readonly lsn: string
  readonly tables: readonly RecoveredTable[]
  readonly notes: readonly string[]
  /** Plain bytes in the sandbox; stored bytes that were read for it; bytes of rows that were copied. */
  readonly restoredBytes: number
  readonly fetchedBytes: number
  readonly copiedBytes: number
  readonly durationMs: number
}

const outcomes = {
  beside: 'left beside',
  swapped: 'in place',
  merged: 'merged',
  returned: 'back',
  compared: 'compared only',
} as const

export function diffText(table: string, diff: TableDiff): readonly string[] {
  const { samples, columns, changed } = diff
  const some = (list: readonly string[]): string =>
    list.length === 0 ? '' : ` (${diff.key!.join(', ')} ${list.join(' | ')}${list.length < 5 ? '' : ' …'})`
  return [
    `${table}: ${diff.rowsThen} rows then, ${diff.rowsNow} now${diff.key === undefined ? ', compared by whole rows since it has no primary key' : ''}`,
    `  missing now  ${diff.missing}${some(samples.missing)}`,
    ...(changed === undefined ? [] : [`  changed      ${changed}${some(samples.changed)}`]),
    `  new since    ${diff.extra}${some(samples.extra)}`,
    ...(columns.onlyThen.length > 0 ? [`  columns that are gone: ${columns.onlyThen.join(', ')}`] : []),
    ...(columns.onlyNow.length > 0 ? [`  columns that are new: ${columns.onlyNow.join(', ')}`] : []),
    ...(columns.otherType.length > 0 ? [`  columns of another type now: ${columns.otherType.join(', ')}`] : []),
  ]
}

export function reportText(report: TablesReport): string {
  return [
    `recovered from backup ${report.backup} to ${report.target} (${report.lsn}), database ${report.database}`,
    '',
    ...report.tables.flatMap((one) => (one.diff === undefined ? [] : [...diffText(one.table, one.diff), ''])),
    formatTable(
      ['TABLE', { title: 'ROWS', right: true }, 'OUTCOME', 'NOW IN', 'THE OLD ONE'],
      report.tables.map((one) => [
        one.table,
        String(one.rows),
        outcomes[one.outcome] +
          (one.merged === undefined ? '' : ` (${one.merged.inserted} rows inserted, ${one.merged.restored} restored)`),
        one.place ?? '-',
        one.keptAs ?? '-',
      ]),
    ),
    '',
    ...report.notes.map((note) => `note: ${note}`),
    `${formatSize(report.fetchedBytes)} read from the repository, ${formatSize(report.restoredBytes)} restored, ${formatSize(report.copiedBytes)} of rows copied, in ${formatDuration(report.durationMs)}`,
  ].join('\n')
}
