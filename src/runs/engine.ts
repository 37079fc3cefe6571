// The service that the rooms above use.
import { timedId } from '../base/random.ts'
import type { Context } from '../base/room.ts'
import { controlDatabase } from '../control/contract.ts'
import { cancelRun, retryRun } from './change.ts'
import { runsSection } from './config.ts'
import { taskKinds, type RunEngine, type RunRequest, type RunView, type TaskKind } from './contract.ts'
import { errors } from './errors.ts'
import type { EngineParts } from './parts.ts'
import { runEnds } from './states.ts'
import { checkRequest, submitRun, type Kinds } from './submit.ts'
import { getRun, listRuns, readLog } from './view.ts'
import { listen, POLL_MS, Wake } from './wake.ts'
import { work } from './worker.ts'

export function kindsOf(context: Context): Kinds {
  return new Map(context.offers(taskKinds).map((kind: TaskKind) => [kind.name, kind]))
}

/** Opens the control database and listens until `scope` ends. */
export async function buildEngine(context: Context, scope: AsyncDisposableStack): Promise<RunEngine> {
  const control = await context.use(controlDatabase)
  const id = timedId(context.clock.now(), context.random)
  const parts: EngineParts = {
    control,
    clock: context.clock,
    random: context.random,
    log: context.log.child({ room: 'runs' }),
    config: context.section(runsSection),
    wake: new Wake(),
    cancels: new Wake(),
    worker: `${context.environment.hostname}/${id}`,
  }
  const stop = new AbortController()
  const listening = listen(parts, stop.signal)
  scope.defer(async () => {
    stop.abort()
    await listening
  })
  return engineOf(parts, kindsOf(context))
}

const partsByEngine = new WeakMap<RunEngine, EngineParts>()

/** The inside of an engine that engineOf() made, for the daemons of this room. */
export function partsOf(engine: RunEngine): EngineParts {
  const parts = partsByEngine.get(engine)
  if (!parts) throw new Error('not an engine of this room')
  return parts
}

export function engineOf(parts: EngineParts, kinds: Kinds): RunEngine {
  const engine: RunEngine = {
    submit: async (request) => {
      checkRequest(request, kinds, parts.config.pools)
      const submitted = await submitRun(parts, request)
      parts.wake.poke()
      return submitted
    },
    get: (runId) => getRun(parts, runId),
    list: (filter) => listRuns(parts, filter),
    log: (runId, options) => readLog(parts, runId, options.afterLine ?? 0n),
    cancel: async (runId, actor) => {
      await cancelRun(parts, runId, actor)
      parts.cancels.poke()
      parts.wake.poke()
    },
    retry: async (runId) => {
      await retryRun(parts, runId)
      parts.wake.poke()
    },
    work: async ({ context, signal, onlyRun, slots }) => {
      const run = onlyRun === undefined ? undefined : await known(engine, onlyRun)
      await work(parts, { context, signal, kinds, slots: slots ?? parts.config.slots, pipeline: run?.pipeline })
    },
    runHere: (request, options) => runHere(parts, { engine, request, ...options }),
  }
  partsByEngine.set(engine, parts)
  return engine
}

async function known(engine: RunEngine, runId: string): Promise<RunView> {
  const run = await engine.get(runId)
  if (!run) throw errors.unknownRun(runId)
  return run
}

interface HereOptions {
  readonly engine: RunEngine
  readonly request: RunRequest
  readonly context: Context
  readonly signal: AbortSignal
  readonly onProgress?: (run: RunView) => void
}

/** Works on the runs of the request's pipeline, so also on one that stands before it, until its own run has ended. */
async function runHere(parts: EngineParts, options: HereOptions): Promise<RunView> {
  const { engine, context, signal } = options
  const { runId } = await engine.submit(options.request)
  const ended = new AbortController()
  const working = engine.work({ context, signal: ended.signal, onlyRun: runId })
  working.catch(() => {})
  try {
    return await watchToEnd(parts, { ...options, runId, signal })
  } finally {
    ended.abort()
    await working
  }
}

async function watchToEnd(parts: EngineParts, options: HereOptions & { runId: string }): Promise<RunView> {
  let cancelled = false
  for (;;) {
    const { seen } = parts.wake
    const run = await known(options.engine, options.runId)
    options.onProgress?.(run)
    if (runEnds.includes(run.state)) return run
    if (options.signal.aborted && !cancelled) {
      cancelled = true
      await options.engine.cancel(options.runId, options.request.actor).catch(() => {})
      continue
    }
    const signal = cancelled ? new AbortController().signal : options.signal
    await parts.wake.wait({ seen, ms: POLL_MS, clock: parts.clock, signal })
  }
}
