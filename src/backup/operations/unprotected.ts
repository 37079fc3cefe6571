import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatSize } from '../../base/units.ts'
import { reportUnprotected, type UnprotectedReport } from '../unlogged/unprotected.ts'

const load = z.strictObject({
  id: z.string(),
  pipeline: z.string(),
  task: z.string(),
  runId: z.string(),
  committedAt: z.string(),
  inputs: z.array(z.string()),
})

const table = z.strictObject({
  database: z.string(),
  relation: z.string(),
  bytes: z.number(),
  why: z.enum(['unlogged', 'scratch']),
  since: z.string().nullable(),
  lastLoad: load.nullable(),
  foreignWrites: z.strictObject({ rows: z.number(), after: z.string().nullable(), before: z.string() }).nullable(),
  copy: z.strictObject({ id: z.string(), repository: z.string(), takenAt: z.string(), rows: z.number() }).nullable(),
  copyIsCurrent: z.boolean(),
  replay: z
    .strictObject({ loads: z.number(), missing: z.string().nullable(), firstMs: z.number() })
    .nullable()
    .describe('kept loads that write it again, and what they do not bring'),
  comesBack: z.boolean().describe('by the copy or by replay'),
  remedies: z.array(z.string()),
})

const output = z.strictObject({
  warehouse: z.string(),
  at: z.string(),
  tables: z.array(table),
  lostBytes: z.number(),
  warnings: z.array(z.string()),
})

export const unprotected = defineOperation<{ warehouse: string }, UnprotectedReport>({
  name: 'backup unprotected',
  summary: 'what a recovery now would lose although the server has it',
  description: [
    'Lists the tables that a recovery brings back empty: unlogged ones, and those that a tier leaves out. For each: since when something would be lost, the load or the stranger who wrote it, the copy that is kept of it, the kept loads that write it again, and what to do: keep a copy, keep the inputs of its loads, or run the load again.',
    'Rows that no load of the journal explains are written by somebody else, or by a load that failed after it had written; PostgreSQL counts both.',
    'Ends with exit code 10 where something would be lost.',
    'wharf backup unprotected retail',
  ].join('\n\n'),
  input: z.strictObject({ warehouse: declaredName().describe('name of the warehouse in wharf.yaml') }),
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['warehouse.unknown', 'warehouse.unreachable'],
  needs: 'repository',
  where: 'here',
  run: ({ warehouse }, context, signal) => reportUnprotected(context, warehouse, signal),
  text: reportText,
  exit: (report) => (report.tables.some((one) => !one.comesBack) ? 'findings' : 'ok'),
})

function reportText(report: UnprotectedReport): string {
  const { tables, warnings } = report
  const notes = warnings.map((warning) => `warning: ${warning}`)
  if (tables.length === 0)
    return [`warehouse ${report.warehouse}: nothing that the server has would be lost for want of WAL`, ...notes].join(
      '\n',
    )
  const lost = tables.filter((one) => !one.comesBack)
  const head =
    lost.length === 0
      ? `a recovery now loses nothing: ${tables.length} unlogged tables have current copies or kept loads`
      : `a recovery now loses the content of ${lost.length} tables, ${formatSize(report.lostBytes)}`
  const rows = tables.map((one) => [
    `${one.database}.${one.relation}`,
    one.why,
    formatSize(one.bytes),
    one.comesBack ? 'no' : 'yes',
    one.since ?? (one.comesBack ? '-' : 'unknown'),
    one.lastLoad ? `${one.lastLoad.pipeline}/${one.lastLoad.task}` : '-',
    one.foreignWrites ? `${one.foreignWrites.rows} rows` : '-',
    one.copy ? `${one.copy.takenAt}${one.copyIsCurrent ? '' : ' (old)'}` : 'none',
    one.replay ? `${one.replay.loads} loads${one.replay.missing === null ? '' : ' (part)'}` : 'none',
  ])
  const remedies = lost.flatMap((one) => [
    '',
    `${one.database}.${one.relation}:`,
    ...one.remedies.map((text) => `  ${text}`),
  ])
  const titles = [
    'TABLE',
    'WHY',
    { title: 'SIZE', right: true },
    'LOST',
    'SINCE',
    'LAST LOAD',
    'BY OTHERS',
    'COPY',
    'REPLAY',
  ]
  return [head, '', formatTable(titles, rows), ...remedies, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')
}
