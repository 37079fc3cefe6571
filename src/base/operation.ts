// What the product can do, defined once. From an Operation come the CLI command with --json, the HTTP endpoint, the
// OpenAPI page and the console's form.
import type { z } from 'zod'

import { defineErrors } from './errors.ts'
import type { Context } from './room.ts'

export type Role = 'viewer' | 'operator' | 'admin'
export type Danger = 'none' | 'writes' | 'destroys'
/** `control`: the control database must be there. `repository`: works from configuration and repository alone (P4). */
export type Need = 'nothing' | 'configuration' | 'repository' | 'control'

/** One step of a long operation's progress. Bytes and counts are totals so far, never differences. */
export interface Progress {
  /** What is going on now, e.g. `copying`. Stable word, lower case. */
  readonly phase: string
  readonly done?: number
  readonly total?: number
  readonly unit?: 'bytes' | 'count'
  /** One short line for people. */
  readonly note?: string
  /** Units per second over the last seconds. */
  readonly rate?: number
  readonly leftMs?: number
}

export interface Operation<Input = unknown, Output = unknown> {
  /** Words as on the command line: `backup run`. */
  readonly name: string
  readonly summary: string
  /** More help, paragraphs separated by an empty line; examples belong here. */
  readonly description?: string
  /** An object schema. Keys become `--kebab-case` options; those in `positional` become arguments, in that order. */
  readonly input: z.ZodType<Input>
  readonly positional?: readonly (keyof Input & string)[]
  readonly output: z.ZodType<Output>
  readonly role: Role
  readonly danger: Danger
  /** Codes of the errors that a caller should expect, e.g. `backup.no-parent`. */
  readonly errors: readonly string[]
  readonly needs: Need
  /** `run`: over HTTP it starts a run on a worker, answers 202 with its id and takes an idempotency key. */
  readonly where: 'here' | 'run'
  /** `command-line`: makes sense only for who sits at the machine (`up`, `completion`); the server leaves it out. */
  readonly only?: 'command-line'
  run(input: Input, context: OperationContext, signal: AbortSignal): Promise<Output>
  /** The output for people on a terminal. Ends without a newline. */
  text(output: Output): string
  /** Exit code other than 0 for an output that tells of findings (`findings`), not of a failure of the operation. */
  exit?(output: Output): 'ok' | 'findings'
  /**
   * Whether it writes its result to standard output itself. Then a reader that leaves early is a failure, which the operation meets in its own
   * writes; everywhere else it ends the program quietly, as of `wharf … | head`.
   */
  writesOutput?(input: Input): boolean
}

export interface OperationContext extends Context {
  progress(event: Progress): void
  /** Asks before something is destroyed; `--yes` answers. False (or as told) where nobody can be asked. */
  confirm(question: string, options?: { readonly whereNobodyCanBeAsked: boolean }): Promise<boolean>
  /** A line for the person who called, now: not the result and not the log. May hold what must not be logged. */
  say?(line: string): void
  /** Who asked: `root@host` on the command line, the account over HTTP. */
  readonly actor: string
}

// oxlint-disable-next-line typescript/no-explicit-any -- a list of operations forgets their input and output types
export type AnyOperation = Operation<any, any>

/** Infers input and output types from the schemas. */
export function defineOperation<Input, Output>(operation: Operation<Input, Output>): Operation<Input, Output> {
  return operation
}

export const operationErrors = defineErrors('base', {
  notConfirmed: {
    exit: 'cancelled',
    message: (question: string) => `not confirmed: ${question}`,
    hint: () => 'answer y to the question, or pass --yes where nobody can be asked',
  },
})

/** Asks before something is destroyed and rejects with `base.not-confirmed` unless the answer is yes. */
export async function demandConfirmation(context: OperationContext, question: string): Promise<void> {
  if (!(await context.confirm(question))) throw operationErrors.notConfirmed(question)
}
