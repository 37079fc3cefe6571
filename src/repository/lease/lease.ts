// Leases of warehouses (doc/design/repository-format.md section 7): claimed by generation, renewed by new objects, judged by the store's clock.
import { z } from 'zod'

import { formatTime, timeLimit, withTimeLimit, type Clock } from '../../base/clock.ts'
import { isWharfError } from '../../base/errors.ts'
import { errors } from '../errors.ts'
import { damaged, readObject, type ReadOptions } from '../object/decode.ts'
import { encodeObject } from '../object/encode.ts'
import { renewLoop } from './renew-loop.ts'

export const LEASE_PREFIX = 'leases/'
export const LEASE_MS = 60_000
const MOST_TRIES = 20
const NAME = /^leases\/([A-Za-z0-9_-]+)\/(\d{8})-(\d{8})$/

const bodySchema = z.strictObject({
  backup: z.string(),
  warehouse: z.string(),
  /** `user@host, process 4711`. */
  holder: z.string(),
  startedMs: z.number(),
  untilMs: z.number(),
  state: z.enum(['held', 'released', 'committed']),
})
export type LeaseBody = z.infer<typeof bodySchema>

export interface LeaseName {
  readonly warehouse: string
  readonly generation: number
  readonly sequence: number
}

export function leaseName({ warehouse, generation, sequence }: LeaseName): string {
  const digits = (value: number) => String(value).padStart(8, '0')
  return `${LEASE_PREFIX}${warehouse}/${digits(generation)}-${digits(sequence)}`
}

export function parseLeaseName(name: string): LeaseName | undefined {
  const match = NAME.exec(name)
  return match ? { warehouse: match[1]!, generation: Number(match[2]), sequence: Number(match[3]) } : undefined
}

export async function readLease(name: string, options: ReadOptions): Promise<LeaseBody> {
  const [section, ...others] = await readObject(name, 'lease', options)
  if (section?.type !== 'lease' || others.length > 0) throw damaged(name, 'it holds no lease')
  try {
    return bodySchema.parse(JSON.parse(section.plain.toString('utf8')))
  } catch (error) {
    throw errors.unknownFormat({ object: name, what: 'its body' }, { cause: error })
  }
}

async function putLease(name: string, body: LeaseBody, options: ReadOptions): Promise<void> {
  const section = { type: 'lease', label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify(body)) } as const
  await options.store.put(name, encodeObject(options.ring, { name, kind: 'lease' }, [section]), {
    signal: options.signal,
    durable: true,
  })
}

/** The newest lease object of each warehouse, or of one. */
export async function newestLeases(
  options: ReadOptions & { warehouse?: string },
): Promise<{ name: string; at: LeaseName }[]> {
  const newest = new Map<string, { name: string; at: LeaseName }>()
  const prefix = options.warehouse === undefined ? LEASE_PREFIX : `${LEASE_PREFIX}${options.warehouse}/`
  for await (const { name } of options.store.list(prefix, options)) {
    const at = parseLeaseName(name)
    if (at) newest.set(at.warehouse, { name, at })
  }
  return [...newest.values()]
}

export interface LeaseParts extends ReadOptions {
  readonly clock: Clock
  readonly warehouse: string
  readonly backup: string
  readonly holder: string
  readonly leaseMs: number
}

/** A lease that is held: renews itself until it ends. */
export class Lease implements AsyncDisposable {
  readonly startedMs: number
  private readonly parts: LeaseParts
  private readonly generation: number
  private sequence = 0
  private untilMs: number
  private lost: string | undefined
  private readonly stop = new AbortController()
  private renewing: Promise<void> = Promise.resolve()

  private constructor(parts: LeaseParts, generation: number, startedMs: number) {
    this.parts = parts
    this.generation = generation
    this.startedMs = startedMs
    this.untilMs = startedMs + parts.leaseMs
  }

  /** Rejects with `repository.busy` while another holds it. */
  static async claim(parts: LeaseParts): Promise<Lease> {
    for (let tries = 1; ; tries++) {
      try {
        const lease = await Lease.claimOnce(parts)
        lease.renewing = renewLoop({
          ...parts,
          stopped: AbortSignal.any([lease.stop.signal, parts.signal]),
          isLost: () => lease.lost !== undefined,
          renew: () => lease.renew(),
        })
        return lease
      } catch (error) {
        // Somebody claimed the same generation first, or renewed and removed the object that we were about to read: look again.
        const raced =
          isWharfError(error, 'repository.object-exists') || isWharfError(error, 'repository.object-missing')
        if (!raced || tries >= MOST_TRIES) throw error
      }
    }
  }

  private static async claimOnce(parts: LeaseParts): Promise<Lease> {
    const newest = (await newestLeases(parts))[0]
    const now = await parts.store.now(parts)
    if (newest) await refuseHeld(newest.name, now, parts)
    const lease = new Lease(parts, (newest?.at.generation ?? 0) + 1, now)
    await putLease(lease.name(0), lease.body('held'), parts)
    await lease.removeOlder()
    return lease
  }

  private name(sequence: number): string {
    return leaseName({ warehouse: this.parts.warehouse, generation: this.generation, sequence })
  }

  private body(state: LeaseBody['state']): LeaseBody {
    const { backup, warehouse, holder } = this.parts
    return { backup, warehouse, holder, startedMs: this.startedMs, untilMs: this.untilMs, state }
  }

  /** Objects of earlier generations say nothing any more. */
  private async removeOlder(): Promise<void> {
    const { store, signal, warehouse } = this.parts
    for await (const { name } of store.list(`${LEASE_PREFIX}${warehouse}/`, { signal })) {
      const at = parseLeaseName(name)
      if (at && at.generation < this.generation) await store.remove(name, { signal })
    }
  }

  private async renew(): Promise<void> {
    const { store, leaseMs } = this.parts
    const signal = withTimeLimit(this.stop.signal, leaseMs)
    const now = await store.now({ signal })
    if (now > this.untilMs) {
      this.lost = `it was not renewed before ${formatTime(this.untilMs)}`
      return
    }
    const before = this.untilMs
    this.untilMs = now + leaseMs
    try {
      await putLease(this.name(this.sequence + 1), this.body('held'), { ...this.parts, signal })
      this.sequence++
    } catch (error) {
      this.untilMs = before
      if (!isWharfError(error, 'repository.object-exists')) throw error
      await this.takeOver(this.name(this.sequence + 1), signal)
    }
    // The object before the last stays: who has listed it just now finds it, and it holds still. So does the claim, so that its generation cannot be claimed again.
    if (this.sequence > 2) await store.remove(this.name(this.sequence - 2), { signal })
  }

  /** A renewal whose answer was lost: the object is there, and is ours. */
  private async takeOver(name: string, signal: AbortSignal): Promise<void> {
    const found = await readLease(name, { ...this.parts, signal })
    const { backup, holder, startedMs } = this.body('held')
    if (found.backup !== backup || found.holder !== holder || found.startedMs !== startedMs) {
      this.lost = 'somebody else renewed it'
      return
    }
    this.untilMs = found.untilMs
    this.sequence++
  }

  /** End of the lease by the store's clock. Rejects with `repository.lease-lost` if it is over or somebody else has it. */
  async held(): Promise<number> {
    const { store, signal } = this.parts
    if (this.lost === undefined && (await store.now({ signal })) > this.untilMs)
      this.lost = `it ended at ${formatTime(this.untilMs)}`
    if (this.lost === undefined) {
      const newest = (await newestLeases(this.parts))[0]
      if (!newest || newest.at.generation > this.generation) this.lost = 'another backup took it over'
    }
    if (this.lost !== undefined) {
      const { warehouse, backup } = this.parts
      throw errors.leaseLost({ warehouse, backup, reason: this.lost })
    }
    return this.untilMs
  }

  /** Stops renewing and says that the lease is free. Never rejects: a lease that cannot be released runs out. */
  async end(state: 'released' | 'committed'): Promise<void> {
    if (this.stop.signal.aborted) return
    this.stop.abort()
    await this.renewing
    if (this.lost !== undefined) return
    const signal = timeLimit(this.parts.leaseMs)
    // A renewal that was cut off may have stored its object: try the next names.
    for (let next = this.sequence + 1; next < this.sequence + 4; next++) {
      try {
        await putLease(this.name(next), this.body(state), { ...this.parts, signal })
        return
      } catch (error) {
        if (!isWharfError(error, 'repository.object-exists')) return
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('released')
  }
}

async function refuseHeld(name: string, now: number, parts: LeaseParts): Promise<void> {
  let body: LeaseBody
  try {
    body = await readLease(name, parts)
  } catch (error) {
    // Removed by a newer holder, or damaged: a damaged lease holds nobody off for longer than a lease can last.
    if (isWharfError(error, 'repository.damaged-object')) return refuseFresh(name, now, parts)
    throw error
  }
  if (body.state !== 'held' || body.untilMs < now) return
  throw errors.busy({
    warehouse: body.warehouse,
    backup: body.backup,
    holder: body.holder,
    since: formatTime(body.startedMs),
    until: formatTime(body.untilMs),
  })
}

async function refuseFresh(name: string, now: number, parts: LeaseParts): Promise<void> {
  const info = await parts.store.stat(name, parts)
  const until = (info?.modifiedMs ?? 0) + parts.leaseMs
  if (until < now) return
  throw errors.busy({
    warehouse: parts.warehouse,
    backup: 'unknown',
    holder: `${name}, which is damaged`,
    since: formatTime(info!.modifiedMs),
    until: formatTime(until),
  })
}
