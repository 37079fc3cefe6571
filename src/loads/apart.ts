// Loads that are not logged never overlap a backup (P6).
import type { TaskExecution } from '../runs/contract.ts'
import { enterUnloggedLoad, holdInterlock, type Waiting } from '../warehouse/interlock.ts'
import { warehouses, type Session } from '../warehouse/contract.ts'

type Apart = TaskExecution<{ warehouse?: string | undefined; logged: boolean }>

/** Waits for as long as the task may take: how long a backup lasts is not the load's to judge. */
function waiting(task: Apart, warehouse: string, signal: AbortSignal): Waiting {
  return {
    warehouse,
    clock: task.context.clock,
    signal,
    onWait: (holders) => {
      const note = `for ${holders.join(', ')}: a load that is not logged never overlaps a backup`
      task.progress({ phase: 'waiting', note })
      task.log(`waits ${note}`).catch(() => {})
    },
  }
}

/** Holds the interlock as long as the load's own session lives, also where its worker is killed and the backend works on. */
export async function keepApart(task: Apart, session: Session, signal: AbortSignal): Promise<void> {
  const { warehouse, logged } = task.input
  if (logged || warehouse === undefined) return
  await enterUnloggedLoad(session, waiting(task, warehouse, signal))
}

/** For work that has no session of ours: one is held beside it, and the work is stopped when that is lost. */
export async function apart<T>(
  task: Apart,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { warehouse: name, logged } = task.input
  if (logged || name === undefined) return await work(signal)
  const warehouse = (await task.context.use(warehouses)).get(name)
  await using held = await holdInterlock(warehouse, enterUnloggedLoad, {
    ...waiting(task, name, signal),
    label: `load ${task.run.pipeline}`,
  })
  return await work(AbortSignal.any([signal, held.lost]))
}
