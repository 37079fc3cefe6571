// `pipelines:` of wharf.yaml.
import { z } from 'zod'

import { cron, declaredName, duration, timezone, whole } from '../base/config-types.ts'
import { suggestion } from '../base/nearest.ts'
import type { ConfigFinding, ConfigSection } from '../base/room.ts'
import { messageOf } from '../base/errors.ts'
import { findCycle } from '../runs/graph.ts'
import { parsePattern } from './source/pattern.ts'

const missed = z
  .enum(['skip', 'last'])
  .default('last')
  .describe('what to do with times missed while nothing ran: none, or only the last')

const schedule = z.union([
  z.strictObject({ cron: cron(), timezone: timezone(), missed }),
  z.strictObject({ after: declaredName().describe('the pipeline whose success starts this one'), missed }),
])

const sqlFile = z.string().min(1).describe('a file of SQL, relative to the folder of wharf.yaml')

const sql = z.union([
  sqlFile,
  z.strictObject({
    file: sqlFile.optional(),
    text: z.string().min(1).optional().describe('the SQL itself'),
    settings: z
      .record(
        z.string().regex(/^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$/, 'a setting is written as "group.name"'),
        z.string(),
      )
      .default({})
      .describe("read in SQL as current_setting('group.name')"),
  }),
])

const oneCharacter = z.string().regex(/^[\x20-\x7e\t]$/, 'must be a single ASCII character')

const copy = z.strictObject({
  into: z.string().min(1).describe('the table, with its schema: sales.line'),
  folder: z.string().min(1).default('.').describe('where the files are; relative to the folder of wharf.yaml'),
  files: z
    .string()
    .min(1)
    .describe('pattern of the file names: {date} is the business date (or {date:YYYYMMDD}), * anything but /'),
  settle: duration().prefault('2s').describe('a file must have been left alone for this long'),
  again: z
    .enum(['never', 'when_changed'])
    .default('never')
    .describe('whether a file that was loaded is loaded again when its content changed'),
  mode: z
    .enum(['append', 'replace'])
    .default('append')
    .describe('replace empties the table before each file, in the same transaction'),
  on_error: z
    .enum(['stop', 'skip_file'])
    .default('stop')
    .describe('a refused file stops the order, or is left out and tried again by the next run'),
  before: sqlFile.optional().describe('SQL to run before each file, in its transaction'),
  after: sqlFile.optional().describe('SQL to run after each file, in its transaction'),
  columns: z
    .record(z.string(), z.string())
    .default({})
    .describe('column of the file: column of the table, where they differ'),
  ignore: z.array(z.string()).default([]).describe('columns of the file that are not loaded'),
  absent: z.array(z.string()).default([]).describe('columns of the table that the files do not have'),
  null_words: z.array(z.string()).default(['']).describe('unquoted words that mean: no value'),
  delimiter: oneCharacter.default(','),
  quote: oneCharacter.default('"'),
  final_newline: z
    .enum(['required', 'optional'])
    .default('required')
    .describe('whether a last line without line break is taken as a torn file'),
})

const command = z.union([
  z.array(z.string()).min(1),
  z.strictObject({
    argv: z.array(z.string()).min(1).describe('program and arguments; no shell'),
    env: z.record(z.string(), z.string()).default({}),
    folder: z.string().default('.').describe('working folder; relative to the folder of wharf.yaml'),
  }),
])

const keep = z
  .enum(['inputs', 'nothing'])
  .describe(
    'inputs: what the task loads and the SQL that ran are in the repositories of the warehouse before it commits, so that "wharf recover loads" can do it again',
  )

const whats = ['sql', 'copy', 'command', 'run'] as const

const task = z
  .strictObject({
    needs: z.array(z.string()).default([]).describe('tasks that must have succeeded before'),
    retries: whole(0, 1000).default(0).describe('how often a failure that can pass is tried again'),
    retry_delay: duration().prefault('10s').describe('before the first retry; doubles with each'),
    timeout: duration().optional().describe('how long one try may take'),
    pools: z.record(z.string(), whole(1, 10_000)).default({}).describe('pool: slots that the task takes while it runs'),
    logged: z
      .boolean()
      .default(true)
      .describe(
        'false: the task writes tables without WAL (unlogged): it never overlaps a backup, and the journal says so',
      ),
    keep: keep.optional(),
    sql: sql.optional(),
    copy: copy.optional(),
    command: command.optional(),
    run: z
      .strictObject({ kind: z.string(), input: z.unknown().default({}) })
      .optional()
      .describe('a task of another kind, for example a backup'),
  })
  .superRefine((value, issues) => {
    const given = whats.filter((what) => value[what] !== undefined)
    if (given.length !== 1) {
      issues.addIssue({
        code: 'custom',
        message: `a task has exactly one of ${whats.join(', ')}, not ${given.length === 0 ? 'none' : given.join(' and ')}`,
      })
    }
    if (value.keep === 'inputs' && value.run !== undefined)
      issues.addIssue({ code: 'custom', path: ['keep'], message: 'a task of another kind has no inputs to keep' })
    if (typeof value.sql === 'object' && (value.sql.file === undefined) === (value.sql.text === undefined)) {
      issues.addIssue({ code: 'custom', path: ['sql'], message: 'sql has exactly one of file, text' })
    }
  })

export const pipelineSchema = z.strictObject({
  warehouse: z.string(),
  database: z.string().optional().describe("default: the database of the warehouse's URL"),
  schedule: schedule.optional(),
  keep: keep.default('nothing').describe('for tasks that do not say it themselves'),
  tasks: z.record(declaredName(), task),
})

export const pipelinesSchema = z.record(declaredName(), pipelineSchema).default({})

export type PipelineConfig = z.output<typeof pipelineSchema>
export type TaskConfig = PipelineConfig['tasks'][string]
export type CopyConfig = NonNullable<TaskConfig['copy']>
export type PipelinesConfig = z.output<typeof pipelinesSchema>

export const pipelinesSection: ConfigSection<PipelinesConfig> = {
  key: 'pipelines',
  schema: pipelinesSchema,
  check: checkPipelines,
}

function checkPipelines(pipelines: PipelinesConfig, all: Readonly<Record<string, unknown>>): readonly ConfigFinding[] {
  const known = {
    warehouses: namesOf(all['warehouses']),
    unprotected: unprotectedOf(all['warehouses']),
    pools: namesOf((all['runs'] as { pools?: object } | undefined)?.pools),
  }
  return Object.entries(pipelines).flatMap(([name, pipeline]) =>
    checkPipeline({ name, pipeline, pipelines: Object.keys(pipelines), ...known }),
  )
}

function namesOf(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}

/** Warehouses without a repository. */
function unprotectedOf(value: unknown): readonly string[] {
  const entries = Object.entries((value ?? {}) as Record<string, { repositories?: readonly unknown[] } | undefined>)
  return entries.filter(([, entry]) => (entry?.repositories ?? []).length === 0).map(([name]) => name)
}

interface Checked {
  readonly name: string
  readonly pipeline: PipelineConfig
  readonly pipelines: readonly string[]
  readonly warehouses: readonly string[]
  readonly unprotected: readonly string[]
  readonly pools: readonly string[]
}

function checkPipeline(checked: Checked): readonly ConfigFinding[] {
  const { name, pipeline } = checked
  const at = (...path: (string | number)[]): (string | number)[] => ['pipelines', name, ...path]
  const findings: ConfigFinding[] = []
  const dangling = (
    path: (string | number)[],
    options: { what: string; name: string; known: readonly string[] },
  ): void => {
    if (options.known.includes(options.name)) return
    const hint = suggestion(options.name, options.known)
    findings.push({
      path,
      message: `there is no ${options.what} "${options.name}"`,
      ...(hint === undefined ? {} : { hint }),
    })
  }
  dangling(at('warehouse'), { what: 'warehouse', name: pipeline.warehouse, known: checked.warehouses })
  if (pipeline.schedule && 'after' in pipeline.schedule) {
    dangling(at('schedule', 'after'), { what: 'pipeline', name: pipeline.schedule.after, known: checked.pipelines })
  }
  findings.push(...keepFindings(checked, at))
  const tasks = Object.keys(pipeline.tasks)
  if (tasks.length === 0) findings.push({ path: at('tasks'), message: 'a pipeline has at least one task' })
  for (const [task, { needs, pools, copy }] of Object.entries(pipeline.tasks)) {
    for (const [index, need] of needs.entries())
      dangling(at('tasks', task, 'needs', index), { what: 'task', name: need, known: tasks })
    for (const pool of Object.keys(pools))
      dangling(at('tasks', task, 'pools', pool), { what: 'pool', name: pool, known: checked.pools })
    const problem = copy && patternProblem(copy.files)
    if (problem !== undefined) findings.push({ path: at('tasks', task, 'copy', 'files'), message: problem })
  }
  const cycle = findCycle(new Map(Object.entries(pipeline.tasks).map(([task, { needs }]) => [task, needs])))
  if (cycle)
    findings.push({
      path: at('tasks', cycle[0]!, 'needs'),
      message: `tasks wait for each other: ${cycle.join(' needs ')}`,
    })
  return findings
}

/** Nothing can be kept without a repository. */
function keepFindings(
  { pipeline, unprotected }: Checked,
  at: (...path: (string | number)[]) => (string | number)[],
): readonly ConfigFinding[] {
  if (!unprotected.includes(pipeline.warehouse)) return []
  const message = `warehouse "${pipeline.warehouse}" has no repository in which inputs could be kept`
  const hint = `name one under warehouses.${pipeline.warehouse}.repositories`
  if (pipeline.keep === 'inputs') return [{ path: at('keep'), message, hint }]
  return Object.entries(pipeline.tasks)
    .filter(([, task]) => task.keep === 'inputs')
    .map(([name]) => ({ path: at('tasks', name, 'keep'), message, hint }))
}

function patternProblem(files: string): string | undefined {
  try {
    parsePattern(files)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}
