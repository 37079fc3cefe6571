// Working on runs in this process: claims tasks into free slots, keeps their leases, sweeps, and drains when asked to stop.
import type { Context } from '../base/room.ts'
import { Attempt } from './attempt.ts'
import { claim, renew } from './claim.ts'
import { reapBackends } from './reap.ts'
import type { EngineParts } from './parts.ts'
import type { Kinds } from './submit.ts'
import { markStubborn, sweepLeases } from './sweep.ts'
import { POLL_MS } from './wake.ts'

export interface WorkOptions {
  readonly context: Context
  readonly signal: AbortSignal
  readonly kinds: Kinds
  readonly slots: number
  /** Only runs of this pipeline. */
  readonly pipeline?: string | undefined
}

/** Returns when the signal has aborted and nothing of this process' work is left running. */
export async function work(parts: EngineParts, options: WorkOptions): Promise<void> {
  const running = new Map<bigint, { attempt: Attempt; done: Promise<void> }>()
  const ended = new AbortController()
  const loops = [keepLeases(parts, running, ended.signal), sweepAround(parts, options.context, ended.signal)]
  try {
    while (!options.signal.aborted) {
      const { seen } = parts.wake
      const delayMs = await fill(parts, options, running)
      await parts.wake.wait({ seen, ms: delayMs, clock: parts.clock, signal: options.signal })
    }
    await drain(parts, running)
  } finally {
    ended.abort()
    await Promise.all(loops)
  }
}

type Running = Map<bigint, { attempt: Attempt; done: Promise<void> }>

/** Claims until the slots are full or nothing is left; returns how long to wait at most. */
async function fill(parts: EngineParts, options: WorkOptions, running: Running): Promise<number> {
  try {
    while (running.size < options.slots && !options.signal.aborted) {
      const claimedAt = parts.clock.monotonic()
      const task = await claim(parts, { kinds: [...options.kinds.keys()], pipeline: options.pipeline })
      if (!task) break
      const attempt = new Attempt(parts, task, claimedAt)
      const done = attempt.run(options.context, options.kinds.get(task.kind)!).then(async (finished) => {
        running.delete(task.token)
        parts.wake.poke()
        if (finished?.runEnded !== undefined) await announce(parts, task, finished.runEnded)
      })
      running.set(task.token, { attempt, done })
    }
  } catch (error) {
    parts.log.warn({ err: error }, 'claiming work failed')
  }
  return POLL_MS
}

/** For those who watch events; nothing depends on it. */
async function announce(parts: EngineParts, task: { runId: string; pipeline: string }, state: string): Promise<void> {
  try {
    await parts.control.emit({ kind: 'runs.finished', subject: task.pipeline, data: { run: task.runId, state } })
  } catch (error) {
    parts.log.debug({ err: error }, 'an event could not be written')
  }
}

/** Renews all leases of this process at a third of their time, and at once when someone wants a task to stop: renewing tells. */
async function keepLeases(parts: EngineParts, running: Running, ended: AbortSignal): Promise<void> {
  const everyMs = Math.min(POLL_MS, parts.config.lease / 3)
  while (!ended.aborted) {
    const { seen } = parts.cancels
    if (running.size > 0) await renewAll(parts, running)
    await parts.cancels.wait({ seen, ms: everyMs, clock: parts.clock, signal: ended })
  }
}

async function renewAll(parts: EngineParts, running: Running): Promise<void> {
  const before = parts.clock.monotonic()
  const asked = [...running.values()]
  try {
    const held = await renew(parts, [...running.keys()])
    for (const { attempt } of asked) {
      const state = held.get(attempt.task.token)
      if (state) attempt.heldUntil = before + parts.config.lease
      if (state?.cancelRequested) attempt.stop('cancelled', state.cancelledBy)
      // Not among the renewed and still running here: it ended meanwhile, or the sweeper took it.
      if (!state && running.has(attempt.task.token) && parts.clock.monotonic() > attempt.heldUntil)
        attempt.stop('lease lost')
    }
  } catch (error) {
    parts.log.warn({ err: error }, 'leases could not be renewed')
    for (const { attempt } of asked) if (parts.clock.monotonic() > attempt.heldUntil) attempt.stop('lease lost')
  }
}

async function sweepAround(parts: EngineParts, context: Context, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    try {
      await sweepLeases(parts)
      await markStubborn(parts)
      await reapBackends(parts, context, ended)
    } catch (error) {
      if (!ended.aborted) parts.log.warn({ err: error }, 'sweeping failed')
    }
    await parts.clock.sleep(POLL_MS, ended).catch(() => {})
  }
}

/** Lets running tasks end; those that do not within the grace time are handed back. */
async function drain(parts: EngineParts, running: Running): Promise<void> {
  const all = (): Promise<unknown> => Promise.all([...running.values()].map((one) => one.done))
  const grace = new AbortController()
  const patience = parts.clock.sleep(parts.config.drain, grace.signal).catch(() => {})
  await Promise.race([all(), patience])
  grace.abort()
  for (const { attempt } of running.values()) attempt.stop('released')
  await all()
}
