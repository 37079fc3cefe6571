// Critical first: while everything is restored, a sandbox with the critical relations lets readers in. It goes when the whole is open.
import { timeLimit } from '../../base/clock.ts'
import type { Progress } from '../../base/operation.ts'
import { messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { formatDuration } from '../../base/units.ts'
import { endServer } from '../../warehouse/servers.ts'
import type { PreparedRecovery } from '../plan/prepare.ts'
import { addRecord } from '../rates/times.ts'
import { leaveSandboxFolder, newSandboxFolder } from '../sandbox/home.ts'
import { openSandbox } from '../sandbox/sandbox.ts'
import { criticalRecord } from './record.ts'
import { seal, startSealed, type LetIn, type Sealing } from './seal.ts'

export interface CriticalReport {
  /** Tables and materialised views of the tier. */
  readonly relations: number
  /** Plain bytes that were restored for it. */
  readonly bytes: number
  /** Undefined: it failed, and everything was recovered without. */
  readonly readers?:
    | (Omit<LetIn, 'closed'> & {
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
  const { closed, ...letIn } = await seal(sealing)
  const sealed = clock.monotonic()
  const { port } = await startSealed(sealing, { forReaders: true, port: request.criticalPort, closed })
  const started = clock.monotonic()
  const times = { sealMs: sealed - opened, startMs: started - sealed }
  const record = criticalRecord(prepared, { sandbox, ...times, listMs: tools.listMs, context })
  await addRecord(context.home, record).catch((error: unknown) =>
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
      await endServer({ dataDirectory: sandbox.folder, mode: 'fast', clock, signal: timeLimit(GOODBYE_MS) }).catch(
        () => {},
      )
      await held.disposeAsync()
    },
  }
}

/** What does not end by then is ended at once. */
const GOODBYE_MS = 20_000

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
