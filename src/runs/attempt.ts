// One attempt in this process: runs the kind's code under time-out, cancellation and lease, and brings home how it ended.
import { redactUrls } from '../base/log.ts'
import type { Progress } from '../base/operation.ts'
import { retry } from '../base/retry.ts'
import { isWharfError } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import type { ClaimedTask } from './claim.ts'
import type { TaskExecution, TaskKind } from './contract.ts'
import { errors } from './errors.ts'
import { finish, type Finished, type Outcome } from './finish.ts'
import { json, type EngineParts } from './parts.ts'
import { CHANNEL } from './wake.ts'

/** How long the code of a kind may go on after its signal aborted before it is left behind. */
const STOP_GRACE_MS = 10_000
const PROGRESS_EVERY_MS = 400
const LONGEST_LINE = 4000

/** Why an attempt was told to stop. */
export type StopReason = 'cancelled' | 'timed out' | 'lease lost' | 'released'

export class Attempt {
  readonly task: ClaimedTask
  /** Until when the lease surely holds, on the monotonic clock. */
  heldUntil: number
  private readonly parts: EngineParts
  private readonly stopper = new AbortController()
  private reason: StopReason | undefined
  private latest: Progress | undefined

  constructor(parts: EngineParts, task: ClaimedTask, claimedAt: number) {
    this.parts = parts
    this.task = task
    this.heldUntil = claimedAt + parts.config.lease
  }

  /** The first reason stands. */
  stop(reason: StopReason, actor = 'an operator'): void {
    if (this.reason !== undefined) return
    this.reason = reason
    const { name, timeoutMs } = this.task
    const error = {
      cancelled: () => errors.cancelled({ task: name, actor }),
      'timed out': () => errors.timedOut({ task: name, timeoutMs: timeoutMs ?? 0 }),
      'lease lost': () => errors.leaseLost(name),
      released: () => errors.released(name),
    }[reason]()
    this.stopper.abort(error)
  }

  /** Never rejects. Undefined where the lease was lost: then others decide what becomes of the task. */
  async run(context: Context, kind: TaskKind): Promise<Finished | undefined> {
    const ended = new AbortController()
    const watch = this.watchTime(ended.signal)
    const flush = this.flushProgress(ended.signal)
    const outcome = await this.execute(context, kind)
    ended.abort()
    await Promise.all([watch, flush])
    if (this.reason === 'lease lost') return undefined
    return await this.bringHome(outcome)
  }

  private async execute(context: Context, kind: TaskKind): Promise<Outcome> {
    const { signal } = this.stopper
    const settled = new AbortController()
    try {
      const work = Promise.resolve().then(() =>
        kind.execute(this.execution(context, kind.input.parse(this.task.input)), signal),
      )
      const result = await Promise.race([work, this.patience(signal, settled.signal)])
      return { kind: 'succeeded', result }
    } catch (error) {
      if (this.reason === 'cancelled') return { kind: 'cancelled', error: signal.reason }
      if (this.reason === 'released') return { kind: 'released' }
      return { kind: 'failed', error: this.reason === 'timed out' ? signal.reason : error }
    } finally {
      settled.abort()
    }
  }

  /** Rejects some time after the signal aborted, for code that does not listen to it. Never settles once that has settled. */
  private async patience(signal: AbortSignal, settled: AbortSignal): Promise<never> {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true, signal: settled })
    })
    await this.parts.clock.sleep(STOP_GRACE_MS, settled)
    throw signal.reason
  }

  private async watchTime(ended: AbortSignal): Promise<void> {
    if (this.task.timeoutMs === undefined) return
    try {
      await this.parts.clock.sleep(this.task.timeoutMs, ended)
      this.stop('timed out')
    } catch {
      // It ended in time.
    }
  }

  private async bringHome(outcome: Outcome): Promise<Finished | undefined> {
    const { clock, random, log } = this.parts
    try {
      const budgetMs = Math.max(0, this.heldUntil - clock.monotonic())
      const isPassing = (error: unknown): boolean => !isWharfError(error, 'runs.lease-lost')
      const tools = { clock, random, signal: new AbortController().signal, isPassing }
      if (outcome.kind === 'failed') await this.log(describe(outcome.error)).catch(() => {})
      return await retry({ firstDelayMs: 50, longestDelayMs: 1000, budgetMs }, tools, () =>
        finish(this.parts, this.task, outcome),
      )
    } catch (error) {
      log.warn({ err: error, run: this.task.runId, task: this.task.name }, 'the end of an attempt could not be written')
      return undefined
    }
  }

  private execution(context: Context, input: unknown): TaskExecution {
    const { task } = this
    return {
      context,
      run: { id: task.runId, pipeline: task.pipeline, businessDate: task.businessDate },
      task: { id: task.taskId.toString(), name: task.name },
      attempt: task.attempt,
      token: task.token,
      input,
      log: (line) => this.log(line),
      progress: (event) => {
        this.latest = event
      },
      backend: (at) => this.backend(at),
    }
  }

  private async log(line: string): Promise<void> {
    await this.parts.control.query(
      `insert into runs.log (run_id, task_id, text) select run_id, id, $3 from runs.task where id = $1 and token = $2 and state = 'running'`,
      [this.task.taskId.toString(), this.task.token.toString(), redactUrls(line).slice(0, LONGEST_LINE)],
    )
  }

  private async backend(at: { warehouse: string; pid: number; startedAt: Date }): Promise<void> {
    const rows = await this.parts.control.query(
      `update runs.attempt set warehouse = $2, backend_pid = $3, backend_start = $4 where token = $1 and state = 'running' returning token`,
      [this.task.token.toString(), at.warehouse, at.pid, at.startedAt.toISOString()],
    )
    if (rows.length === 0) throw errors.leaseLost(this.task.name)
  }

  private async flushProgress(ended: AbortSignal): Promise<void> {
    let written: Progress | undefined
    const write = async (): Promise<void> => {
      if (this.latest === written) return
      written = this.latest
      const id = [this.task.taskId.toString(), this.task.token.toString(), json(written)]
      await this.parts.control
        .query(`update runs.task set progress = $3 where id = $1 and token = $2 and state = 'running'`, id)
        .catch(() => {})
      await this.parts.control.query('select pg_notify($1, $2)', [CHANNEL, this.task.runId]).catch(() => {})
    }
    while (!ended.aborted) {
      await this.parts.clock.sleep(PROGRESS_EVERY_MS, ended).catch(() => {})
      await write()
    }
  }
}

function describe(error: unknown): string {
  if (isWharfError(error)) return `${error.code}: ${error.message}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
