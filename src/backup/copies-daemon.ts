// Copies of unlogged tables after each load that is not logged: found by the journal in the warehouse, so that none is missed while nothing ran.
import { z } from 'zod'

import { declaredName } from '../base/config-types.ts'
import { messageOf } from '../base/errors.ts'
import type { Context, Daemon } from '../base/room.ts'
import { controlDatabase } from '../control/contract.ts'
import { repositories } from '../repository/contract.ts'
import { runEngine, type TaskKind } from '../runs/contract.ts'
import { warehouses, type Warehouse } from '../warehouse/contract.ts'
import { backupSection } from './config.ts'
import { runCopy } from './run-copy.ts'
import { shownCopy } from './operations/copies.ts'
import { matcherOf } from './unlogged/patterns.ts'
import { surveyUnlogged } from './unlogged/survey.ts'

/** Also without a word of a run that ended: another control database may have run the load. */
const LOOK_EVERY_MS = 5 * 60_000
const RETRIES = 3
const RETRY_DELAY_MS = 60_000

const taskInput = z.strictObject({ warehouse: declaredName() })

export const copyTask: TaskKind<z.output<typeof taskInput>> = {
  name: 'backup copy',
  input: taskInput,
  execute: async (task, signal) => {
    const taken = await runCopy(task.input, task.context, { report: (event) => task.progress(event), signal })
    return taken.map(({ repository, copy }) => shownCopy(repository, copy))
  },
}

export const copiesDaemon: Daemon = {
  name: 'copies of unlogged tables',
  run: async (context, signal) => {
    const policies = Object.entries(context.section(backupSection))
    const names = policies.filter(([, policy]) => policy.unlogged.copy.length > 0).map(([name]) => name)
    if (names.length === 0) return
    const control = await context.use(controlDatabase)
    const look = (): Promise<void[]> => Promise.all(names.map((name) => copyWhatIsNew(context, name, signal)))
    await Promise.all([
      (async () => {
        for await (const _ of control.events({ kinds: ['runs.finished'], signal })) await look()
      })(),
      (async () => {
        while (!signal.aborted) {
          await look()
          await context.clock.sleep(LOOK_EVERY_MS, signal).catch(() => {})
        }
      })(),
    ]).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  },
}

/** Submits a run if the newest copy lacks a load. The key of the run is the load: looking twice makes one run. */
async function copyWhatIsNew(context: Context, name: string, signal: AbortSignal): Promise<void> {
  try {
    const warehouse = (await context.use(warehouses)).get(name)
    const missing = await missingLoad(context, warehouse, signal)
    if (missing === undefined) return
    await (
      await context.use(runEngine)
    ).submit({
      pipeline: `backup copy ${name}`,
      trigger: 'after',
      actor: 'schedule',
      idempotencyKey: `backup copy/${name}/${missing}`,
      tasks: [
        {
          name: 'copy',
          kind: copyTask.name,
          input: { warehouse: name },
          needs: [],
          retries: RETRIES,
          retryDelayMs: RETRY_DELAY_MS,
        },
      ],
    })
  } catch (error) {
    if (!signal.aborted) context.log.warn({ warehouse: name }, `cannot look for loads to copy: ${messageOf(error)}`)
  }
}

/** The newest load that wrote a table to be copied and is not in the newest copy of each repository. */
async function missingLoad(context: Context, warehouse: Warehouse, signal: AbortSignal): Promise<string | undefined> {
  const { name, repositories: stores } = warehouse.declaration
  const matches = matcherOf(context.section(backupSection)[name]?.unlogged.copy ?? [])
  const survey = await surveyUnlogged(warehouse, signal)
  const loads = survey.tables
    .filter(matches)
    .flatMap(({ database, lastLoad }) => (lastLoad ? [{ database, ...lastLoad }] : []))
    .toSorted((one, other) => (one.committedAt < other.committedAt ? 1 : -1))
  if (loads.length === 0) return undefined
  const service = await context.use(repositories)
  for (const store of stores) {
    const copy = (await (await service.open(store, signal)).copies.list(name, signal)).at(-1)
    const has = new Set(copy?.loads.map(({ database, load }) => `${database} ${load}`))
    // In one database the newest load stands for those before it.
    const newest = new Map(loads.toReversed().map((load) => [load.database, load.id]))
    for (const [database, id] of newest) if (!has.has(`${database} ${id}`)) return id
  }
  return undefined
}
