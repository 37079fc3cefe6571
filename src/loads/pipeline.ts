// From a pipeline of wharf.yaml to what the engine is asked to do. Paths become absolute here.
import { dirname, resolve } from 'node:path'

import type { Context } from '../base/room.ts'
import type { RunRequest, Schedule, TaskDefinition } from '../runs/contract.ts'
import { pipelinesSection, type CopyConfig, type PipelineConfig, type TaskConfig } from './config.ts'
import { errors } from './errors.ts'
import type { CommandInput, CopyInput, SqlInput, SqlSource } from './inputs.ts'

export interface RunOptions {
  readonly trigger: RunRequest['trigger']
  readonly actor: string
  /** YYYY-MM-DD; sources are narrowed to files of this date. */
  readonly businessDate?: string | undefined
  /** Sources are narrowed to files of these dates, both included. */
  readonly dates?: { readonly from: string; readonly to: string } | undefined
  readonly idempotencyKey?: string | undefined
}

/** Rejects with `loads.unknown-pipeline`. */
export function requestFor(context: Context, name: string, options: RunOptions): RunRequest {
  const pipeline = context.section(pipelinesSection)[name]
  if (!pipeline) throw errors.unknownPipeline(name)
  const dates =
    options.dates ??
    (options.businessDate === undefined ? undefined : { from: options.businessDate, to: options.businessDate })
  const made = { pipeline, folder: dirname(context.configFile), dates }
  return {
    pipeline: name,
    trigger: options.trigger,
    actor: options.actor,
    tasks: Object.entries(pipeline.tasks).map(([task, config]) => definition(task, config, made)),
    ...(options.businessDate === undefined ? {} : { businessDate: options.businessDate }),
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
  }
}

interface Made {
  readonly pipeline: PipelineConfig
  /** Of wharf.yaml. */
  readonly folder: string
  readonly dates: RunOptions['dates']
}

function definition(name: string, config: TaskConfig, made: Made): TaskDefinition {
  return {
    name,
    ...kindAndInput(config, made),
    needs: config.needs,
    retries: config.retries,
    retryDelayMs: config.retry_delay,
    pools: config.pools,
    ...(config.timeout === undefined ? {} : { timeoutMs: config.timeout }),
  }
}

function kindAndInput(config: TaskConfig, made: Made): { kind: string; input: unknown } {
  if (config.sql !== undefined) return { kind: 'sql', input: sqlInputOf(config, config.sql, made) }
  if (config.copy !== undefined) return { kind: 'copy', input: copyInputOf(config, config.copy, made) }
  if (config.command !== undefined) return { kind: 'command', input: commandInputOf(config, config.command, made) }
  return { kind: config.run!.kind, input: config.run!.input }
}

interface Where {
  readonly warehouse: string
  readonly database?: string
  readonly logged: boolean
  readonly keep: boolean
}

function whereOf(config: TaskConfig, { pipeline }: Made): Where {
  return {
    warehouse: pipeline.warehouse,
    ...(pipeline.database === undefined ? {} : { database: pipeline.database }),
    logged: config.logged,
    keep: (config.keep ?? pipeline.keep) === 'inputs',
  }
}

function fileOf(path: string, { folder }: Made): SqlSource {
  return { file: resolve(folder, path) }
}

function sqlInputOf(config: TaskConfig, sql: NonNullable<TaskConfig['sql']>, made: Made): SqlInput {
  if (typeof sql === 'string') return { ...whereOf(config, made), source: fileOf(sql, made), settings: {} }
  const source = sql.text === undefined ? fileOf(sql.file!, made) : { text: sql.text }
  return { ...whereOf(config, made), source, settings: sql.settings }
}

function copyInputOf(config: TaskConfig, copy: CopyConfig, made: Made): CopyInput {
  const { settle, on_error: onError, final_newline: finalNewline, null_words: nullWords, before, after, ...same } = copy
  return {
    ...whereOf(config, made),
    ...same,
    folder: resolve(made.folder, copy.folder),
    settleMs: settle,
    onError,
    nullWords,
    finalNewline: finalNewline === 'required',
    ...(before === undefined ? {} : { before: fileOf(before, made) }),
    ...(after === undefined ? {} : { after: fileOf(after, made) }),
    ...(made.dates === undefined ? {} : { dates: made.dates }),
  }
}

function commandInputOf(config: TaskConfig, command: NonNullable<TaskConfig['command']>, made: Made): CommandInput {
  const where = whereOf(config, made)
  if (Array.isArray(command)) return { argv: command, env: {}, folder: made.folder, ...where }
  return { argv: command.argv, env: command.env, folder: resolve(made.folder, command.folder), ...where }
}

/** The schedules of all pipelines, for the scheduler of the runs room. */
export function pipelineSchedules(context: Context): readonly Schedule[] {
  return Object.entries(context.section(pipelinesSection)).flatMap(([name, { schedule }]) => {
    if (!schedule) return []
    const { missed, ...when } = schedule
    const trigger = 'after' in when ? ('after' as const) : ('schedule' as const)
    return [
      {
        id: `pipeline/${name}`,
        when,
        missed,
        request: () => requestFor(context, name, { trigger, actor: 'schedule' }),
      },
    ]
  })
}
