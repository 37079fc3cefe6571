// The runs room on a real control database, with task kinds made by the test: one engine per "process".
import { jsonLog, silentLog } from '../../src/base/log.ts'
import { offer, type Context, type Room } from '../../src/base/room.ts'
import { controlDatabase, type ControlDatabase } from '../../src/control/contract.ts'
import { room as control } from '../../src/control/room.ts'
import {
  runEngine,
  taskKinds,
  type RunEngine,
  type RunRequest,
  type TaskDefinition,
  type TaskKind,
} from '../../src/runs/contract.ts'
import { room as runs } from '../../src/runs/room.ts'
import { room as warehouse } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'

export interface Stage extends AsyncDisposable {
  readonly context: Context
  readonly control: ControlDatabase
  readonly engine: RunEngine
}

export interface StageOptions {
  /** Of the control database. */
  readonly url: string
  readonly kinds: readonly TaskKind[]
  /** As under `runs:` in wharf.yaml. */
  readonly runs?: Readonly<Record<string, unknown>>
  /** Of a warehouse `dw`, if the test has one. */
  readonly warehouse?: string
}

/** One more process' worth of engine on the same control database. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const scope = new AsyncDisposableStack()
  const stage: Room = {
    name: 'stage',
    summary: 'the kinds of the test',
    offers: options.kinds.map((kind) => offer(taskKinds, kind)),
  }
  const context = testContext(
    {
      home: '/nonexistent',
      rooms: [warehouse, control, runs, stage],
      config: {
        control: { url: options.url },
        runs: options.runs,
        ...(options.warehouse === undefined ? {} : { warehouses: { dw: { url: options.warehouse } } }),
      },
      log: process.env['WHARF_TEST_LOG'] === undefined ? silentLog : jsonLog('debug'),
    },
    scope,
  )
  const engine = await context.use(runEngine)
  return {
    context,
    control: await context.use(controlDatabase),
    engine,
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

/** A request by hand, with what a test does not care about filled in. */
export function request(
  pipeline: string,
  tasks: readonly (Partial<TaskDefinition> & { name: string; kind: string })[],
  more: Partial<RunRequest> = {},
): RunRequest {
  return {
    pipeline,
    trigger: 'manual',
    actor: 'test',
    tasks: tasks.map((task) => ({ input: {}, needs: [], ...task })),
    ...more,
  }
}
