// Critical first: while everything is restored, a sandbox with the critical relations lets readers in. It goes when the whole is open.
import type { Progress } from '../../base/operation.ts'
import { messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { formatDuration } from '../../base/units.ts'
import { endServer } from '../../warehouse/servers.ts'
import { askedText } from '../plan/plan.ts'
import type { PreparedRecovery } from '../plan/prepare.ts'
import type { TierTime } from '../plan/tiers.ts'
import { addRecord, type StepTime } from '../rates/times.ts'
import { leaveSandboxFolder, newSandboxFolder } from '../sandbox/home.ts'
import { openSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import { seal, startSealed, type LetIn, type Sealing } from './seal.ts'

export interface CriticalReport {
  /** Tables and materialised views of the tier. */
  readonly relations: number
  /** Plain bytes that were restored for it. */
  readonly bytes: number
  /** Undefined: it failed, and everything was recovered without. */
  readonly readers?:
    | (LetIn & {
        readonly host: string
        readonly port: number
        /** From the beginning of the recovery. */
        readonly afterMs: number
      })
    | undefined
  readonly failed?: string | undefined
}

export interface CriticalReaders extends AsyncDisposable {
  readonly report: CriticalReport
}

export interface CriticalTools {
  readonly context: Context
  readonly report: (event: Progress) => void
  readonly say: ((line: string) => void) | undefined
  readonly signal: AbortSignal
  /** When planning began, by the monotonic clock, and how long it took. */
  readonly begun: number
  readonly listMs: number
}

export interface CriticalRequest {
  readonly warehouse: string
  readonly criticalDirectory?: string | undefined
  readonly criticalPort?: number | undefined
  readonly binaries?: string | undefined
  readonly workers?: number | undefined
}

/** Never rejects but for a cancellation: whatever goes wrong here, the whole is recovered, and what went wrong is said. */
export async function openReaders(
  prepared: PreparedRecovery,
  request: CriticalRequest,
  tools: CriticalTools,
): Promise<CriticalReaders> {
  const part = prepared.critical!
  const size = { relations: part.names.length, bytes: part.choice.keptBytes }
  try {
    return await open(prepared, request, tools)
  } catch (error) {
    tools.signal.throwIfAborted()
    const failed = messageOf(error)
    tools.context.log.warn({ err: error }, 'the critical relations could not be made readable')
    tools.say?.(`the critical relations are not readable before the rest: ${failed}`)
    tools.report({ phase: 'going on without', note: `the critical relations are not readable: ${failed}` })
    return { report: { ...size, failed }, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
}

async function open(
  prepared: PreparedRecovery,
  request: CriticalRequest,
  tools: CriticalTools,
): Promise<CriticalReaders> {
  const { context, signal } = tools
  const part = prepared.critical!
  const { clock } = context
  await using scope = new AsyncDisposableStack()
  const folder = await newSandboxFolder(context, request.criticalDirectory)
  scope.defer(() => leaveSandboxFolder(folder))
  const sandbox = scope.use(
    await openSandbox(
      {
        warehouse: request.warehouse,
        folder,
        found: prepared,
        choose: () => part.wish,
        binaries: request.binaries,
        owner: prepared.owner?.name,
        workers: request.workers,
        // Refused already, unless it was asked for.
        allowCorrupt: true,
      },
      context,
      { signal, report: (event) => tools.report({ ...event, phase: `critical first: ${event.phase}` }) },
    ),
  )
  const opened = clock.monotonic()
  const sealing: Sealing = { sandbox, part, context, signal }
  const letIn = await seal(sealing)
  const sealed = clock.monotonic()
  const { port } = await startSealed(sealing, { forReaders: true, port: request.criticalPort })
  const started = clock.monotonic()
  const times = { sealMs: sealed - opened, startMs: started - sealed }
  await keepTimes(prepared, { sandbox, times, tools }).catch((error: unknown) =>
    context.log.warn({ err: error }, 'the times of the critical tier could not be kept'),
  )
  const report: CriticalReport = {
    relations: part.names.length,
    bytes: part.choice.keptBytes,
    readers: { ...letIn, host: '127.0.0.1', port, afterMs: started - tools.begun },
  }
  sayOpen(report, tools)
  const held = scope.move()
  return {
    report,
    [Symbol.asyncDispose]: async () => {
      // Whoever still reads gets a word from the server, not a broken connection.
      await endServer({ dataDirectory: sandbox.folder, mode: 'fast', clock, signal: never }).catch(() => {})
      await held.disposeAsync()
    },
  }
}

const never = new AbortController().signal

function sayOpen({ readers, relations }: CriticalReport, tools: CriticalTools): void {
  const { host, port, databases, afterMs } = readers!
  const where = `${host} port ${port}, ${databases.length === 1 ? 'database' : 'databases'} ${databases.join(', ')}`
  const tables = relations === 1 ? '1 critical table' : `${relations} critical tables`
  const line = `${tables} can be read at ${where}, after ${formatDuration(afterMs)}, until everything is open; other tables answer with an error`
  tools.say?.(line)
  for (const name of readers!.unreadable) tools.say?.(notReadable(name))
  tools.report({ phase: 'critical first: readable', note: line })
}

export function notReadable(name: string): string {
  return `${name} cannot be read yet: since the backup it was swapped or renamed into place`
}

/** Beside what the plan said of the same steps. */
async function keepTimes(
  prepared: PreparedRecovery,
  of: { sandbox: Sandbox; times: { sealMs: number; startMs: number }; tools: CriticalTools },
): Promise<void> {
  const { sandbox, times, tools } = of
  const { environment, clock, home } = tools.context
  const tier: TierTime | undefined = prepared.plan.tiers?.find((one) => one.tier === 'critical')
  const measured: Readonly<Record<string, number | undefined>> = {
    list: tools.listMs,
    ...Object.fromEntries(sandbox.times.map((one) => [one.step, one.ms])),
    checkpoint: times.sealMs,
    start: times.startMs,
  }
  const steps = (tier?.steps ?? []).flatMap((planned): StepTime[] => {
    const { step, bytes, count, kind, expectedMs, lowMs, highMs, basis } = planned
    const ms = measured[step]
    if (ms === undefined) return []
    const size = { ...(count === undefined ? {} : { count }), ...(kind === undefined ? {} : { kind }) }
    return [{ step, bytes, ms, ...size, predicted: { expectedMs, lowMs, highMs, basis } }]
  })
  const { expectedMs, lowMs, highMs, basis } = tier!
  await addRecord(home, {
    at: new Date(clock.now()).toISOString(),
    warehouse: prepared.plan.warehouse,
    backup: prepared.manifest.id,
    target: askedText(prepared.resolved),
    verified: false,
    durationMs: steps.reduce((sum, one) => sum + one.ms, 0),
    steps,
    way: 'critical-first',
    repository: prepared.repository.name,
    machine: environment.hostname,
    predicted: { expectedMs, lowMs, highMs, basis },
  })
}
