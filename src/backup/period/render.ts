// The report of a period for people: tables of text, or one HTML page that needs nothing else.
import { formatTable, type Column } from '../../base/table.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import type { PeriodReport } from './collect.ts'

interface Part {
  readonly title: string
  readonly columns: readonly (string | Column)[]
  readonly rows: readonly (readonly string[])[]
  /** What stands there when there are no rows. */
  readonly none: string
}

const right = (title: string): Column => ({ title, right: true })

type PartOf = (report: PeriodReport) => Part

const kinds: PartOf = (report) => ({
  title: 'Kinds',
  columns: ['KIND', right('BACKUPS'), right('MEDIAN'), right('LONGEST'), right('READ'), right('STORED'), right('RATE')],
  rows: report.totals.map((one) => [
    one.kind,
    String(one.count),
    formatDuration(one.medianMs),
    formatDuration(one.longestMs),
    formatSize(one.readBytes),
    formatSize(one.storedBytes),
    `${formatSize(one.readBytesPerSecond)}/s`,
  ]),
  none: 'no backups in this period',
})

const policy: PartOf = (report) => ({
  title: 'Policy',
  columns: ['SCHEDULE', 'WHEN', 'KIND', right('EXPECTED'), right('MADE'), 'MISSED'],
  rows: report.coverage.map((one) => [
    one.schedule,
    one.when,
    one.kind,
    one.expected === null ? '-' : String(one.expected),
    String(one.made),
    one.missed.join(', ') || '-',
  ]),
  none: 'no schedules are declared',
})

const failures: PartOf = (report) => ({
  title: 'Failures',
  columns: ['AT', 'REPOSITORY', 'KIND', 'CODE', 'MESSAGE'],
  rows: report.failures.map((one) => [one.at, one.repository ?? '-', one.kind ?? '-', one.code ?? '-', one.message]),
  none: 'none',
})

const alerts: PartOf = (report) => ({
  title: 'Alerts',
  columns: ['AT', 'REASON', right('COUNT')],
  rows: report.alerts.map((one) => [one.at, one.reason, one.count === null ? '-' : String(one.count)]),
  none: 'none',
})

const wal: PartOf = (report) => ({
  title: 'WAL',
  columns: ['REPOSITORY', right('CHUNKS'), right('STORED')],
  rows: report.wal.map((one) => [one.repository, String(one.chunks), formatSize(one.storedBytes)]),
  none: 'none',
})

const backups: PartOf = (report) => ({
  title: 'Backups',
  columns: [
    'BACKUP',
    'REPOSITORY',
    'KIND',
    right('TOOK'),
    right('READ'),
    right('NEW'),
    right('STORED'),
    right('SHARED'),
    right('STATIC'),
    right('DEFERRED'),
    right('AUDITED'),
    right('CORRUPT'),
    'STATE',
  ],
  rows: report.backups.map((one) => [
    one.id,
    one.repository,
    one.kind,
    formatDuration(one.durationMs),
    formatSize(one.readBytes),
    formatSize(one.newBytes),
    formatSize(one.storedBytes),
    formatSize(one.sharedBytes),
    formatSize(one.staticBytes),
    formatSize(one.deferredBytes),
    formatSize(one.auditedBytes),
    String(one.corruptBlocks),
    one.gone ? 'gone' : 'kept',
  ]),
  none: 'none',
})

/** The same parts for both forms. */
const PARTS: readonly PartOf[] = [kinds, policy, failures, alerts, wal, backups]

export function periodText(reports: readonly PeriodReport[]): string {
  return reports
    .map((report) => {
      const head = `backups of ${report.warehouse} from ${report.from} to ${report.to}`
      const parts = PARTS.map((part) => part(report)).map(
        ({ title, columns, rows, none }) =>
          `${title.toUpperCase()}\n${rows.length === 0 ? none : formatTable(columns, rows)}`,
      )
      const notes = report.warnings.map((warning) => `warning: ${warning}`)
      return [head, ...parts, ...(notes.length > 0 ? [notes.join('\n')] : [])].join('\n\n')
    })
    .join('\n\n\n')
}

const STYLE =
  'body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#1a1a1a}h1{font-size:1.4rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}' +
  'table{border-collapse:collapse}th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}' +
  'th{font-size:.75rem;color:#555}.right{text-align:right;font-variant-numeric:tabular-nums}.warning{color:#8a4b00}'

/** Self-contained: no script, no request. Everything that comes from outside is escaped. */
export function periodHtml(reports: readonly PeriodReport[]): string {
  const body = reports.map((report) => {
    const parts = PARTS.map((part) => part(report))
      .map(htmlPart)
      .join('\n')
    const notes = report.warnings.map((warning) => `<p class="warning">${escape(warning)}</p>`).join('\n')
    return `<h1>Backups of ${escape(report.warehouse)}</h1>\n<p>${escape(report.from)} to ${escape(report.to)}</p>\n${parts}\n${notes}`
  })
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><title>Backup report</title>',
    `<style>${STYLE}</style></head><body>`,
    ...body,
    '</body></html>',
  ].join('\n')
}

function htmlPart({ title, columns, rows, none }: Part): string {
  if (rows.length === 0) return `<h2>${title}</h2>\n<p>${none}</p>`
  const names = columns.map((column) => (typeof column === 'string' ? { title: column, right: false } : column))
  const attribute = (index: number): string => (names[index]?.right === true ? ' class="right"' : '')
  const head = names.map((column, index) => `<th${attribute(index)}>${escape(column.title)}</th>`).join('')
  const lines = rows.map(
    (row) => `<tr>${row.map((cell, index) => `<td${attribute(index)}>${escape(cell)}</td>`).join('')}</tr>`,
  )
  return `<h2>${title}</h2>\n<table><thead><tr>${head}</tr></thead><tbody>\n${lines.join('\n')}\n</tbody></table>`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
