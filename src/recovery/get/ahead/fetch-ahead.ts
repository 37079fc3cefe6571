// Fetches the segments that a recovering server will ask for next, in its order, and lays them into the spool. One process per data directory.
//
// It gives no verdicts: at the first segment that is missing, partial or cannot be read it stops, and the restore_command that comes to that segment
// asks the repository itself. What it laid down is taken in order; what was passed over is removed, and everything when the recovery is over.
import { rmSync } from 'node:fs'

import { systemClock } from '../../../base/clock.ts'
import { identityOf } from '../../../base/process-identity.ts'
import { MIB, MINUTE_MS } from '../../../base/units.ts'
import { segmentToFetch, type OrderPlan } from './order.ts'
import { Spool, type Laid } from './spool.ts'

/** What may lie in the spool: some seconds of replay; one segment at least. */
const WINDOW_BYTES = 256 * MIB
const MOST_SEGMENTS = 64
const POLL_MS = 20
/** A recovery that takes nothing for that long is paused or dead: when it goes on, so does fetching. */
const IDLE_MS = 5 * MINUTE_MS
/** Who starts us names us right after. */
const NAMED_WITHIN_MS = 10_000

export interface AheadParts {
  readonly dataDirectory: string
  readonly first: string
  readonly plan: OrderPlan
  /** Fetches one and lays it into the spool; undefined for whatever is not whole, not there, or cannot be read. Rejects where there is no room. */
  readonly fetch: (segment: string) => Promise<Laid | undefined>
  /** How many are fetched at once: reading one while another is decrypted, more where each answer takes long. */
  readonly lanes: number
  readonly isOver: () => boolean
}

/** How many segments may lie there. */
export function windowOf(segmentBytes: number): number {
  return Math.min(MOST_SEGMENTS, Math.max(1, Math.floor(WINDOW_BYTES / segmentBytes)))
}

export async function fetchAhead(parts: AheadParts): Promise<void> {
  const spool = new Spool(parts.dataDirectory)
  if (!(await isNamed(spool))) return
  try {
    await new Ahead(parts, spool).run()
  } catch (error) {
    // A full disk: what lies there is in the way of the server itself.
    if (isOurs(spool)) spool.remove()
    throw error
  }
}

const never = new AbortController().signal
const isOurs = (spool: Spool): boolean => spool.read('lock') === identityOf(process.pid)

async function isNamed(spool: Spool): Promise<boolean> {
  const until = systemClock.monotonic() + NAMED_WITHIN_MS
  while (!isOurs(spool)) {
    if (systemClock.monotonic() > until) return false
    await systemClock.sleep(POLL_MS, never)
  }
  return true
}

interface Lane {
  readonly name: string
  readonly fetched: Promise<Laid | undefined>
}

class Ahead {
  private readonly parts: AheadParts
  private readonly spool: Spool
  private readonly window: number
  /** In order; those that were taken leave it. */
  private laid: string[] = []
  private lanes: Lane[] = []
  private next: string | undefined
  private usedAt = systemClock.monotonic()

  constructor(parts: AheadParts, spool: Spool) {
    this.parts = parts
    this.spool = spool
    this.window = windowOf(parts.plan.walSegmentBytes)
    this.next = parts.first
  }

  async run(): Promise<void> {
    this.spool.clear(this.parts.first)
    while (isOurs(this.spool)) {
      const idle = systemClock.monotonic() - this.usedAt > IDLE_MS
      if (idle || this.parts.isOver()) return this.spool.remove()
      this.lookAtWanted()
      this.lookAtTaken()
      this.begin()
      const lane = this.lanes.shift()
      if (lane) await this.finish(lane)
      else if (this.laid.length === 0 && this.next === undefined) return this.spool.remove()
      else await systemClock.sleep(POLL_MS, never)
    }
  }

  /** The server asked for something else than comes next here. */
  private lookAtWanted(): void {
    const wanted = this.spool.takeWanted()
    if (wanted === undefined) return
    this.usedAt = systemClock.monotonic()
    const at = this.laid.indexOf(wanted)
    if (at !== -1) this.dropBefore(at)
    else if (this.lanes[0]?.name === wanted || (this.lanes.length === 0 && this.next === wanted)) {
      this.dropBefore(this.laid.length)
    } else {
      this.dropLanes()
      this.laid = []
      this.spool.clear(wanted)
      this.next = wanted
    }
  }

  /** What is still there before one that was taken has been passed over. */
  private lookAtTaken(): void {
    if (this.laid.length === 0) return
    const there = new Set(this.spool.segments())
    const last = this.laid.findLastIndex((name) => !there.has(name))
    if (last === -1) return
    this.usedAt = systemClock.monotonic()
    this.dropBefore(last + 1)
  }

  private dropBefore(count: number): void {
    for (const name of this.laid.splice(0, count)) this.spool.drop(name)
  }

  private begin(): void {
    while (
      this.next !== undefined &&
      this.lanes.length < this.parts.lanes &&
      this.lanes.length + this.laid.length < this.window
    ) {
      const name = this.next
      this.spool.coming(name)
      const fetched = this.parts.fetch(name)
      // It is awaited when its turn comes.
      fetched.catch(() => {})
      this.lanes.push({ name, fetched })
      this.next = segmentToFetch(name, this.parts.plan)
    }
  }

  private async finish(lane: Lane): Promise<void> {
    const laid = await lane.fetched
    if (!isOurs(this.spool)) return
    if (laid) {
      this.spool.publish(laid)
      this.laid.push(lane.name)
      return
    }
    for (const one of [lane, ...this.lanes]) this.spool.notComing(one.name)
    this.dropLanes()
    this.next = undefined
  }

  /** What they lay down from now on is nobody's. */
  private dropLanes(): void {
    const drop = (one: Laid | undefined): void => {
      if (one) rmSync(one.temporary, { force: true })
    }
    for (const { fetched } of this.lanes) void fetched.then(drop, () => {})
    this.lanes = []
  }
}
