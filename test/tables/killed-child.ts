// A recovery of a table in a process of its own, to be killed: `killed-child.ts <JSON of request and URL>`. Says each phase on standard output.
import { systemClock } from '../../src/base/clock.ts'
import type { OperationContext, Progress } from '../../src/base/operation.ts'
import { table } from '../../src/recovery/operations/table.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'

const { home, url, input } = JSON.parse(process.argv[2]!) as { home: string; url: string; input: object }
await using scope = new AsyncDisposableStack()
const config = { warehouses: { retail: { url, repositories: ['r'] } } }
const context = testContext({ home, rooms: [warehouseRoom], config }, scope)
const operationContext: OperationContext = Object.assign(Object.create(context) as typeof context, {
  progress: ({ phase }: Progress) => console.log(phase),
  confirm: () => Promise.resolve(true),
  actor: 'test',
  clock: systemClock,
})
await table.run(table.input.parse(input), operationContext, new AbortController().signal)
