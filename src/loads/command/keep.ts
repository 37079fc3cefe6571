// `keep: inputs` of a command: it cannot be replayed, but a recovery can say that it ran, and with which arguments.
import { timedId } from '../../base/random.ts'
import type { TaskExecution } from '../../runs/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'
import type { CommandInput } from '../inputs.ts'
import { openKeeping } from '../keep/keeping.ts'

/** After it has succeeded, and before the task does. */
export async function keepCommand(
  task: TaskExecution<CommandInput>,
  workMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { keep, warehouse: name, database } = task.input
  if (!keep || name === undefined) return
  const warehouse = (await task.context.use(warehouses)).get(name)
  await using session = await warehouse.connect({
    purpose: `load ${task.run.pipeline}`,
    signal,
    ...(database === undefined ? {} : { database }),
  })
  await using keeping = await openKeeping(task, session, signal)
  const { clock, random } = task.context
  await keeping?.record().command(timedId(clock.now(), random), workMs)
}
