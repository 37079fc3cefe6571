// Evidence for people.
import { formatTable } from '../../base/table.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import { findingText } from './damage.ts'
import type { CountedTable, DrillProof, Evidence } from './evidence.ts'

const mostCounts = 30

export function evidenceText(one: Evidence): string {
  return [
    `drill ${one.id} of ${one.warehouse}: ${one.outcome.toUpperCase()}`,
    `  when        ${one.startedAt} ${one.outcome === 'interrupted' ? 'until nobody knows when' : `to ${one.finishedAt}`}, on ${one.host}, by ${one.actor} (${one.trigger})`,
    ...(one.target
      ? [`  target      ${one.target.asked}: ${one.target.resolved}, timeline ${one.target.timeline}`]
      : []),
    ...(one.backup === null ? [] : [`  from        backup ${one.backup} in repository ${one.repository}`]),
    ...coverageLines(one),
    ...timeLines(one),
    ...proofLines(one.proof).map((line) => `  proven      ${line}`),
    ...one.findings.map((finding) => `  FOUND       ${findingText(finding)}`),
    ...one.notes.map((note) => `  note        ${note}`),
    ...countLines(one.proof.counts),
  ].join('\n')
}

function coverageLines({ tier, coverage }: Evidence): readonly string[] {
  if (tier === 'all') return []
  if (!coverage) return [`  covered     tier ${tier} alone`]
  const { tables, ofTables, bytes, ofBytes, unreadable } = coverage
  return [
    `  covered     tier ${tier} alone: ${tables} of ${ofTables} tables, ${formatSize(bytes)} of ${formatSize(ofBytes)}; of the rest nothing is proven`,
    ...unreadable.map((name) => `  NOT COVERED ${name}: swapped or renamed into place since the backup`),
  ]
}

function timeLines({ recoveryMs, predicted, steps }: Evidence): readonly string[] {
  if (recoveryMs === null) return []
  const said =
    predicted === null
      ? ''
      : `; predicted ${formatDuration(predicted.expectedMs)} (${formatDuration(predicted.lowMs)} to ${formatDuration(predicted.highMs)}, ${predicted.basis ?? 'assumed'})`
  const table = formatTable(
    ['    STEP', { title: 'TOOK', right: true }, { title: 'PREDICTED', right: true }, { title: 'SIZE', right: true }],
    steps.map((step) => [
      `    ${step.step}`,
      formatDuration(step.ms),
      step.predicted ? formatDuration(step.predicted.expectedMs) : '',
      step.bytes > 0 ? formatSize(step.bytes) : '',
    ]),
  )
  return [`  recovered   in ${formatDuration(recoveryMs)}${said}`, ...table.split('\n')]
}

function proofLines(proof: DrillProof): readonly string[] {
  const { pages, amcheck, visibility, journal, queries, counts } = proof
  const passed = queries.filter((one) => one.passed).length
  return [
    ...(proof.replayedTo === null
      ? []
      : [`replayed to ${proof.replayedTo}; databases ${proof.databases.join(', ')} open`]),
    ...(pages
      ? [`${pages.checksums ? 'page checksums' : 'page headers'} of ${pages.files} files, ${formatSize(pages.bytes)}`]
      : []),
    ...(amcheck ? [`amcheck of ${amcheck.tables} tables and ${amcheck.indexes} indexes`] : []),
    ...(visibility && visibility.tables > 0 ? [`visibility maps of ${visibility.tables} tables`] : []),
    ...(journal
      ? [
          `${journal.inJournal} of ${journal.committedByWal} loads that WAL names are in the journal, which has ${journal.entries} entries`,
        ]
      : []),
    ...(counts.length > 0 ? [`rows and sums of ${counts.length} tables and partitions were taken down`] : []),
    ...(queries.length > 0 ? [`${passed} of ${queries.length} check queries hold`] : []),
  ]
}

function countLines(counts: readonly CountedTable[]): readonly string[] {
  if (counts.length === 0) return []
  const rows = counts
    .slice(0, mostCounts)
    .map((one) => [
      `    ${one.database}.${one.table}`,
      one.rows,
      one.sums.map(({ column, sum }) => `${column} ${sum ?? 'null'}`).join(', '),
    ])
  const more = counts.length > mostCounts ? [`    and ${counts.length - mostCounts} more (--json has all)`] : []
  return [...formatTable(['    TABLE', { title: 'ROWS', right: true }, 'SUMS'], rows).split('\n'), ...more]
}
