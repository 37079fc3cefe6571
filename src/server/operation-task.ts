// The task kind `operation`: carries any operation of any room out as a run, for those that HTTP clients start.
import { z } from 'zod'

import { toJson } from '../base/json.ts'
import type { OperationContext } from '../base/operation.ts'
import type { TaskKind } from '../runs/contract.ts'
import { errors } from './errors.ts'
import { OPERATION_KIND, operationsOf } from './http/operations.ts'

const input = z.strictObject({ operation: z.string(), input: z.record(z.string(), z.unknown()) })

export const operationTask: TaskKind<z.output<typeof input>> = {
  name: OPERATION_KIND,
  input,
  execute: async (task, signal) => {
    const operation = operationsOf(task.context).find((one) => one.name === task.input.operation)
    if (!operation) throw errors.unknownOperation(task.input.operation)
    const context: OperationContext = {
      ...task.context,
      progress: (event) => task.progress(event),
      confirm: async () => true,
      actor: 'worker',
    }
    const output: unknown = await operation.run(operation.input.parse(task.input.input), context, signal)
    await task.log(operation.text(output))
    return JSON.parse(toJson(output))
  },
}
