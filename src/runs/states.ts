// The states of runs, tasks and attempts. SQL takes its `state = any(…)` and its new state from these tables, so that
// a transition that is not spelled here cannot be written. A missing cell does not compile.
import type { RunState, TaskState } from './contract.ts'

export type AttemptState = 'running' | 'succeeded' | 'failed' | 'lost' | 'released' | 'cancelled'

export type RunEvent =
  /** Its first task was claimed. */
  | 'start'
  /** No task is left to do. */
  | 'succeed'
  | 'fail'
  | 'cancel'
  /** An operator wants what did not succeed to be tried again. */
  | 'retry'

export type TaskEvent =
  /** Everything that it needs has succeeded. */
  | 'unblock'
  /** A worker takes it under a lease. */
  | 'claim'
  | 'succeed'
  /** Failed, and tries are left. */
  | 'failAgain'
  /** Failed for good. */
  | 'fail'
  /** The lease ran out, and it may be tried again. */
  | 'lose'
  /** The lease ran out once too often. */
  | 'loseForGood'
  /** The worker stops and hands it back. */
  | 'release'
  /** Something that it needs did not succeed. */
  | 'skip'
  /** Cancelled before a worker had it. */
  | 'cancel'
  /** Cancelled while a worker had it, and that has ended. */
  | 'cancelled'
  /** The run is tried again. */
  | 'retry'

export type AttemptEvent = 'succeed' | 'fail' | 'lose' | 'release' | 'cancel'

/** `null`: the event is refused in this state and changes nothing. */
type Table<State extends string, Event extends string> = Readonly<Record<State, Readonly<Record<Event, State | null>>>>

export const runTable: Table<RunState, RunEvent> = {
  queued: { start: 'running', succeed: null, fail: 'failed', cancel: 'cancelled', retry: null },
  running: { start: 'running', succeed: 'succeeded', fail: 'failed', cancel: 'cancelled', retry: null },
  succeeded: { start: null, succeed: null, fail: null, cancel: null, retry: null },
  failed: { start: null, succeed: null, fail: null, cancel: null, retry: 'queued' },
  cancelled: { start: null, succeed: null, fail: null, cancel: null, retry: 'queued' },
}

const never = {
  unblock: null,
  claim: null,
  succeed: null,
  failAgain: null,
  fail: null,
  lose: null,
  loseForGood: null,
  release: null,
  skip: null,
  cancel: null,
  cancelled: null,
} as const

export const taskTable: Table<TaskState, TaskEvent> = {
  waiting: { ...never, unblock: 'ready', skip: 'skipped', cancel: 'cancelled', retry: null },
  ready: { ...never, claim: 'running', cancel: 'cancelled', retry: null },
  running: {
    unblock: null,
    claim: null,
    succeed: 'succeeded',
    failAgain: 'ready',
    fail: 'failed',
    lose: 'ready',
    loseForGood: 'failed',
    release: 'ready',
    skip: null,
    cancel: null,
    cancelled: 'cancelled',
    retry: null,
  },
  succeeded: { ...never, retry: null },
  failed: { ...never, retry: 'waiting' },
  skipped: { ...never, retry: 'waiting' },
  cancelled: { ...never, retry: 'waiting' },
}

export const attemptTable: Table<AttemptState, AttemptEvent> = {
  running: { succeed: 'succeeded', fail: 'failed', lose: 'lost', release: 'released', cancel: 'cancelled' },
  succeeded: { succeed: null, fail: null, lose: null, release: null, cancel: null },
  failed: { succeed: null, fail: null, lose: null, release: null, cancel: null },
  lost: { succeed: null, fail: null, lose: null, release: null, cancel: null },
  released: { succeed: null, fail: null, lose: null, release: null, cancel: null },
  cancelled: { succeed: null, fail: null, lose: null, release: null, cancel: null },
}

export interface Transition<State> {
  /** States in which the event is taken. */
  readonly from: readonly State[]
  readonly to: State
}

/** What an event does, for SQL: `update … set state = to where state = any(from)`. Each event leads to one state only. */
export function transition<State extends string, Event extends string>(
  table: Table<State, Event>,
  event: Event,
): Transition<State> {
  const cells = (Object.entries(table) as [State, Record<Event, State | null>][]).map(([from, row]) => ({
    from,
    to: row[event],
  }))
  const taken = cells.filter((cell): cell is { from: State; to: State } => cell.to !== null)
  const [first] = taken
  if (!first || taken.some((cell) => cell.to !== first.to))
    throw new Error(`event "${event}" must lead to exactly one state`)
  return { from: taken.map((cell) => cell.from), to: first.to }
}

export const runEnds: readonly RunState[] = ['succeeded', 'failed', 'cancelled']
