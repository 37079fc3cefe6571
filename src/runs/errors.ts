import { defineErrors } from '../base/errors.ts'
import { formatDuration } from '../base/units.ts'

export const errors = defineErrors('runs', {
  unknownRun: {
    exit: 'notFound',
    message: (id: string) => `there is no run "${id}"`,
    hint: () => '"wharf load list" shows the newest runs with their ids',
  },
  unknownKind: {
    exit: 'configuration',
    message: (at: { kind: string; task: string; known: readonly string[] }) =>
      `task "${at.task}" is of an unknown kind "${at.kind}"`,
    hint: (at) => `known kinds: ${at.known.join(', ')}`,
  },
  unknownPool: {
    exit: 'configuration',
    message: (at: { pool: string; task: string; known: readonly string[] }) =>
      `task "${at.task}" draws on an unknown pool "${at.pool}"`,
    hint: (at) =>
      at.known.length === 0
        ? 'declare it in wharf.yaml under runs.pools'
        : `declare it in wharf.yaml under runs.pools; known: ${at.known.join(', ')}`,
  },
  poolTooSmall: {
    exit: 'configuration',
    message: (at: { pool: string; task: string; slots: number; size: number }) =>
      `task "${at.task}" wants ${at.slots} slots of pool "${at.pool}", which has ${at.size}`,
    hint: () => 'enlarge the pool in wharf.yaml under runs.pools, or let the task want less',
  },
  badTaskInput: {
    exit: 'configuration',
    message: (at: { task: string; kind: string; problem: string }) =>
      `the input of task "${at.task}" does not fit its kind "${at.kind}": ${at.problem}`,
  },
  badGraph: {
    exit: 'configuration',
    message: (at: { pipeline: string; problem: string }) =>
      `the tasks of "${at.pipeline}" cannot be run: ${at.problem}`,
  },
  alreadyEnded: {
    exit: 'busy',
    message: (at: { run: string; state: string }) => `run ${at.run} has already ended: ${at.state}`,
    hint: () => 'only a run that is queued or running can be cancelled',
  },
  notEnded: {
    exit: 'busy',
    message: (at: { run: string; state: string }) => `run ${at.run} cannot be tried again: it is ${at.state}`,
    hint: (at) =>
      at.state === 'succeeded'
        ? 'nothing of it failed; start a new run instead'
        : 'wait until it has ended, or cancel it first',
  },
  timedOut: {
    exit: 'failed',
    passing: true,
    message: (at: { task: string; timeoutMs: number }) =>
      `task "${at.task}" was stopped: it took longer than ${formatDuration(at.timeoutMs)}`,
    hint: () => 'raise the timeout of the task, or find out what made it slow',
  },
  cancelled: {
    exit: 'cancelled',
    message: (at: { task: string; actor: string }) => `task "${at.task}" was cancelled by ${at.actor}`,
  },
  released: {
    exit: 'cancelled',
    passing: true,
    message: (task: string) => `task "${task}" was handed back: this process is stopping`,
  },
  leaseLost: {
    exit: 'busy',
    passing: true,
    message: (task: string) => `the lease of task "${task}" was lost: another worker may have it by now`,
    hint: () =>
      'nothing to do: the task goes on elsewhere. If it happens often, the machine or the control database is overloaded',
  },
  lostForGood: {
    exit: 'failed',
    message: (at: { task: string; losses: number }) => `task "${at.task}" lost its worker ${at.losses} times in a row`,
    hint: () => 'a task that ends its worker each time may need more memory than there is; see the log of the workers',
  },
  badCron: {
    exit: 'configuration',
    message: (at: { cron: string; problem: string }) => `not a schedule: "${at.cron}" (${at.problem})`,
    hint: () => 'five fields: minute, hour, day of month, month, day of week, for example "30 2 * * *"',
  },
  badTimezone: {
    exit: 'configuration',
    message: (timezone: string) => `unknown time zone "${timezone}"`,
    hint: () => 'a name of the IANA data base, for example Europe/Berlin or UTC',
  },
})

/** For operations of other rooms that name a run. */
export const unknownRun = errors.unknownRun
