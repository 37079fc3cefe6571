// Runs, tasks and attempts for the rooms above; see README.md for states and invariants.
import type { z } from 'zod'

import type { Progress } from '../base/operation.ts'
import { extensionPoint, serviceKey, type Context } from '../base/room.ts'

export type RunState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'
export type TaskState = 'waiting' | 'ready' | 'running' | 'succeeded' | 'failed' | 'skipped' | 'cancelled'

/** Something a task can do: `sql`, `copy`, `command`, `backup`. Offered by rooms at `taskKinds`. */
export interface TaskKind<Input = unknown> {
  readonly name: string
  readonly input: z.ZodType<Input>
  /** Result is JSON. Must be repeatable: a task may be tried again after a crash. `signal` aborts on cancel, time-out and lost lease. */
  execute(task: TaskExecution<Input>, signal: AbortSignal): Promise<unknown>
}
// oxlint-disable-next-line typescript/no-explicit-any -- a list of kinds forgets their input types
export const taskKinds = extensionPoint<TaskKind<any>>('task kind')

export interface TaskExecution<Input = unknown> {
  readonly context: Context
  readonly run: { readonly id: string; readonly pipeline: string; readonly businessDate: string | undefined }
  readonly task: { readonly id: string; readonly name: string }
  readonly attempt: number
  /** Fencing token: grows with every attempt anywhere; writes of an older token must change nothing. */
  readonly token: bigint
  readonly input: Input
  /** A line in the task's log. */
  log(line: string): Promise<void>
  progress(event: Progress): void
  /** Tells which warehouse backend works for this attempt, so that cancel and the sweeper reach it. */
  backend(at: { warehouse: string; pid: number; startedAt: Date }): Promise<void>
}

export interface TaskDefinition {
  readonly name: string
  readonly kind: string
  readonly input: unknown
  readonly needs: readonly string[]
  readonly retries?: number
  readonly retryDelayMs?: number
  readonly timeoutMs?: number
  /** Pool → slots. */
  readonly pools?: Readonly<Record<string, number>>
}

export interface RunRequest {
  /** Name of the pipeline; for other runs the operation's name. */
  readonly pipeline: string
  readonly trigger: 'manual' | 'schedule' | 'after' | 'http'
  readonly tasks: readonly TaskDefinition[]
  /** YYYY-MM-DD. */
  readonly businessDate?: string
  /** The same key again returns the run made first. */
  readonly idempotencyKey?: string
  readonly actor: string
  /** One at a time per pipeline (default true): a second run waits. */
  readonly exclusive?: boolean
}

export interface RunView {
  readonly id: string
  readonly pipeline: string
  readonly state: RunState
  readonly trigger: RunRequest['trigger']
  readonly businessDate: string | undefined
  readonly actor: string
  readonly createdAt: Date
  readonly startedAt: Date | undefined
  readonly finishedAt: Date | undefined
  readonly tasks: readonly TaskView[]
}
export interface TaskView {
  readonly id: string
  readonly name: string
  readonly kind: string
  readonly needs: readonly string[]
  readonly state: TaskState
  readonly attempts: number
  readonly startedAt: Date | undefined
  readonly finishedAt: Date | undefined
  readonly progress: Progress | undefined
  readonly result: unknown
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string } | undefined
}

export interface RunEngine {
  submit(request: RunRequest): Promise<{ readonly runId: string; readonly created: boolean }>
  get(runId: string): Promise<RunView | undefined>
  list(filter: { pipeline?: string; states?: readonly RunState[]; limit: number }): Promise<readonly RunView[]>
  log(
    runId: string,
    options: { afterLine?: bigint },
  ): Promise<readonly { readonly line: bigint; readonly task: string; readonly at: Date; readonly text: string }[]>
  cancel(runId: string, actor: string): Promise<void>
  /** Failed and cancelled tasks, and those that waited for them, go back to waiting. */
  retry(runId: string, actor: string): Promise<void>
  /** Works on runs in this process until the signal aborts; then drains: running tasks end or, after the grace time, are cancelled. */
  work(options: { context: Context; signal: AbortSignal; onlyRun?: string; slots?: number }): Promise<void>
  /** Submits, works on it here if no other worker does, and resolves when it has ended. Aborting cancels the run. */
  runHere(
    request: RunRequest,
    options: { context: Context; signal: AbortSignal; onProgress?: (run: RunView) => void },
  ): Promise<RunView>
}
export const runEngine = serviceKey<RunEngine>('run engine')

/** A source of schedules: rooms read them from their configuration. Offered at `scheduleSources`; walked by the scheduler daemon. */
export interface Schedule {
  /** Stable, unique: `pipeline/nightly`, `backup/retail/incremental`. */
  readonly id: string
  /** Five-field cron with a time zone, or the pipeline whose success starts it. */
  readonly when: { readonly cron: string; readonly timezone: string } | { readonly after: string }
  /** What to do with occurrences missed while nothing ran: none, or only the last. */
  readonly missed: 'skip' | 'last'
  request(occurrence: { readonly nominal: Date }): RunRequest
}
export const scheduleSources = extensionPoint<(context: Context) => readonly Schedule[]>('schedule source')
