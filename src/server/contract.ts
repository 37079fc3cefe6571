// What the HTTP server says to its clients besides the operations themselves. Types alone: the console imports them.
import { serviceKey } from '../base/room.ts'
import type { Danger, Progress, Role } from '../base/operation.ts'

/** The one way a Wharfinger is reached over HTTP, for `wharf up` to print. */
export interface ConsoleServer {
  /** Makes the first admin account where there is none: the password is returned this once and kept only as a hash. */
  ensureAdmin(): Promise<{ readonly account: string; readonly password: string } | undefined>
  /** Listens. Rejects with `server.port-taken`, `.address-unknown`, `.port-denied`. */
  start(signal: AbortSignal): Promise<{ readonly url: string }>
  /** Ends open streams, answers what is under way and closes. */
  stop(): Promise<void>
}
export const consoleServer = serviceKey<ConsoleServer>('console server')

/** Every failed answer: `{ "error": { … } }` with the status of the error's exit name. */
export interface ApiError {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly hint?: string
    /** Where bad input stands, e.g. `since` or `tasks.0.name`. */
    readonly at?: string
  }
}

/** GET and POST /api/session. */
export interface SessionView {
  readonly account: string
  readonly role: Role
  readonly expiresAt: string
  readonly version: string
}

/** 202 of an operation that runs on a worker. */
export interface RunAccepted {
  readonly runId: string
  /** False where the idempotency key named a run that was there already. */
  readonly created: boolean
}

/** One run as `/api/run/show` has it; times ISO 8601. */
export interface RunJson {
  readonly id: string
  readonly pipeline: string
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'
  readonly trigger: 'manual' | 'schedule' | 'after' | 'http'
  readonly businessDate: string | null
  readonly actor: string
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly tasks: readonly TaskJson[]
}
export interface TaskJson {
  readonly id: string
  readonly name: string
  readonly kind: string
  readonly needs: readonly string[]
  readonly state: 'waiting' | 'ready' | 'running' | 'succeeded' | 'failed' | 'skipped' | 'cancelled'
  readonly attempts: number
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly progress: Progress | null
  readonly result: unknown
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string | undefined } | null
}
export interface RunLogJson {
  readonly lines: readonly {
    readonly line: string
    readonly task: string
    readonly at: string
    readonly text: string
  }[]
  /** Ask with this as `after` for what comes next. */
  readonly next: string
}

/** GET /api/operations: what the session may do. */
export interface OperationJson {
  readonly name: string
  readonly summary: string
  readonly danger: Danger
  readonly role: Role
  readonly where: 'here' | 'run'
  readonly method: 'GET' | 'POST'
  readonly path: string
}

/** Names of the server-sent events of /api/events. `control`: an event of the control database; `status`: the whole status. */
export type StreamEventName = 'control' | 'status' | 'reset'
export interface ControlEventJson {
  readonly id: string
  readonly at: string
  readonly kind: string
  readonly subject: string
  readonly data: Readonly<Record<string, unknown>>
}
