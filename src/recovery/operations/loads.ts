import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import { replayLoads, type ReplayReport } from '../run-replay.ts'
import { recoveryInput, repositoryInput } from './options.ts'

const { warehouse } = recoveryInput

export const replayOutput = z.object({
  warehouse: z.string(),
  repository: z.string(),
  loads: z.array(
    z.object({
      id: z.string(),
      what: z.string(),
      database: z.string(),
      mode: z.enum(['unlogged', 'after']),
      keptAt: z.string(),
      tables: z.array(z.string()),
      rows: z.number(),
      inputBytes: z.number(),
      firstMs: z.number(),
      state: z.enum(['planned', 'replayed']),
      ms: z.number().optional(),
      differences: z.array(z.object({ relation: z.string(), rows: z.number(), was: z.number() })),
      readsNow: z.array(z.string()),
    }),
  ),
  left: z.array(
    z.object({
      id: z.string(),
      what: z.string(),
      state: z.enum(['by hand', 'not needed']),
      why: z.string(),
      tables: z.array(z.string()),
      command: z.string().optional(),
    }),
  ),
  filled: z.array(z.string()),
  outside: z.array(z.object({ table: z.string(), why: z.string() })),
  time: z.object({
    expectedMs: z.number(),
    lowMs: z.number(),
    highMs: z.number(),
    basis: z.enum(['measured', 'assumed']),
    firstMs: z.number(),
  }),
  durationMs: z.number(),
  notes: z.array(z.string()),
})

const input = z.strictObject({
  warehouse,
  to: z.string().min(1).describe('URL of the recovered server, of a superuser'),
  passwordFile: z.string().optional().describe('file whose first line is the password'),
  plan: z.boolean().default(false).describe('only show what would be done'),
  after: z.boolean().default(false).describe('also loads that committed after the point of the recovery'),
  unknown: z.boolean().default(false).describe('also loads of which WAL does not tell whether they committed'),
  except: z.array(z.string()).default([]).describe('leave this load out, by its id'),
  overwrite: z.boolean().default(false).describe('empty unlogged tables that hold rows which no replay brought'),
  ...repositoryInput,
})

export const loads = defineOperation<z.output<typeof input>, ReplayReport>({
  name: 'recover loads',
  summary: 'run kept loads again on a recovered server: what was not logged comes back',
  description: [
    'Unlogged tables come back empty. Loads with `keep: inputs` are run again from the repository, in the order in which they committed, with the SQL that ran and the inputs that it had: each in one transaction with the record that it was replayed, so a replay that was interrupted goes on where it stopped.',
    'Of each table everything is run that came after a load emptied it last. With --after also loads that committed after the point of the recovery, logged or not; --except leaves one out. What cannot be replayed is listed: commands, loads that also wrote logged tables, loads that were not kept, tables that no load wrote.',
    'Ends with exit code 10 where something is left to be done by hand, or a load wrote another number of rows than at first.',
    'wharf recover loads retail --to postgresql://postgres@127.0.0.1:5433/postgres --plan',
  ].join('\n\n'),
  input,
  positional: ['warehouse'],
  output: replayOutput as unknown as z.ZodType<ReplayReport>,
  role: 'admin',
  danger: 'writes',
  errors: [
    'recovery.no-kept-load',
    'recovery.other-server',
    'recovery.unknown-loads',
    'recovery.tables-filled',
    'recovery.replay-busy',
    'recovery.replay-failed',
    'repository.damaged-object',
  ],
  needs: 'repository',
  where: 'run',
  run: async ({ to, passwordFile, plan, ...rest }, context, signal) =>
    await replayLoads({ ...rest, to: { url: to, passwordFile }, planOnly: plan }, context, {
      report: (event) => context.progress(event),
      signal,
    }),
  text: replayText,
  exit: (report) => (isIncomplete(report) ? 'findings' : 'ok'),
})

function isIncomplete({ loads: done, left, outside }: ReplayReport): boolean {
  return (
    left.some((one) => one.state === 'by hand') || outside.length > 0 || done.some((one) => one.differences.length > 0)
  )
}

export function replayText(report: ReplayReport): string {
  const { time, left, filled, outside, notes } = report
  const planned = report.loads.filter((one) => one.state === 'planned').length
  const head =
    report.loads.length === 0
      ? `warehouse ${report.warehouse}: no kept load has to be replayed`
      : planned > 0
        ? `${planned} loads would be replayed in ${formatDuration(time.expectedMs)} (80 %: ${formatDuration(time.lowMs)} to ${formatDuration(time.highMs)}, ${time.basis})`
        : `${report.loads.length} loads replayed in ${formatDuration(report.durationMs)} (expected ${formatDuration(time.expectedMs)})`
  const rows = report.loads.map((one) => [
    one.id,
    one.what,
    one.tables.join(', '),
    String(one.rows),
    formatSize(one.inputBytes),
    formatDuration(one.ms ?? one.firstMs),
  ])
  const titles = ['LOAD', 'WHAT', 'TABLES', { title: 'ROWS', right: true }, { title: 'INPUT', right: true }, 'TOOK']
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
  return [
    head,
    ...(rows.length === 0 ? [] : ['', formatTable(titles, rows)]),
    ...section('tables hold rows that no replay brought (--overwrite empties them):', filled),
    ...section(
      'other numbers of rows than at first:',
      report.loads.flatMap((one) =>
        one.differences.map((each) => `${one.id} ${each.relation}: ${each.rows}, at first ${each.was}`),
      ),
    ),
    ...section(
      'these read logged tables as they stand now:',
      report.loads.flatMap((one) => (one.readsNow.length === 0 ? [] : [`${one.id}: ${one.readsNow.join(', ')}`])),
    ),
    ...section(
      'left to be done by hand:',
      left
        .filter((one) => one.state === 'by hand')
        .map((one) => `${one.id} ${one.what}: ${one.why}${one.command === undefined ? '' : `: ${one.command}`}`),
    ),
    ...section(
      'unlogged tables that are not whole:',
      outside.map((one) => `${one.table}: ${one.why}`),
    ),
    ...section(
      'not needed:',
      left.filter((one) => one.state === 'not needed').map((one) => `${one.id} ${one.what}: ${one.why}`),
    ),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n')
}
