// Waking those who wait for work or for the end of a run: LISTEN on one connection of its own, with the callers' poll
// floor beside it, since a notification can be lost with its connection.
import type { PoolClient } from 'pg'

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { ControlDatabase } from '../control/contract.ts'

export const CHANNEL = 'wharf_runs'
/** Nobody waits longer than this without looking for himself. */
export const POLL_MS = 1000
const RECONNECT_MS = 1000

/** Whoever waits is woken by every change of any run, by poke(), and after `ms` at the latest. */
export class Wake {
  private waiting = new Set<() => void>()
  private version = 0

  /** Counts wakings: pass it to wait() so that one between looking and waiting is not missed. */
  get seen(): number {
    return this.version
  }

  poke(): void {
    this.version++
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const resolve of waiting) resolve()
  }

  async wait(options: { seen: number; ms: number; clock: Clock; signal: AbortSignal }): Promise<void> {
    if (this.version !== options.seen || options.signal.aborted) return
    const done = new AbortController()
    const woken = new Promise<void>((resolve) => this.waiting.add(resolve))
    const slept = options.clock.sleep(options.ms, AbortSignal.any([options.signal, done.signal])).catch(() => {})
    await Promise.race([woken, slept])
    done.abort()
  }
}

export const CANCEL_PREFIX = 'cancel '

interface ListenParts {
  readonly control: ControlDatabase
  readonly clock: Clock
  readonly log: Log
  readonly wake: Wake
  readonly cancels: Wake
}

/** Listens until the signal aborts; reconnects by itself. */
export async function listen(parts: ListenParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const client = await parts.control.pool.connect()
      await listenOn(client, parts, signal)
    } catch (error) {
      parts.log.debug({ err: error }, 'listening for runs failed')
    }
    await parts.clock.sleep(RECONNECT_MS, signal).catch(() => {})
  }
}

/** Returns when the signal aborts or the connection breaks. The connection is closed, not given back: it still listens. */
async function listenOn(client: PoolClient, parts: ListenParts, signal: AbortSignal): Promise<void> {
  const ended = Promise.withResolvers<void>()
  const stop = (): void => ended.resolve()
  client.on('notification', (message) => {
    if (message.payload?.startsWith(CANCEL_PREFIX)) parts.cancels.poke()
    parts.wake.poke()
  })
  client.on('error', stop)
  client.on('end', stop)
  signal.addEventListener('abort', stop, { once: true })
  try {
    await client.query(`listen ${CHANNEL}`)
    parts.cancels.poke()
    parts.wake.poke()
    if (!signal.aborted) await ended.promise
  } finally {
    signal.removeEventListener('abort', stop)
    client.release(true)
  }
}
