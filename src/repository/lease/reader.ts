// Leases of readers (doc/design/repository-format.md section 12): as long as one is held nothing is deleted that was listed when it began.
import { z } from 'zod'

import { timeLimit, withTimeLimit, type Clock } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { timedId } from '../../base/random.ts'
import type { Reading } from '../expiry-contract.ts'
import type { ReadOptions } from '../object/decode.ts'
import { putJson, readJson } from '../object/json.ts'
import { parseReaderName, READER_PREFIX, readerName } from '../prune/names.ts'
import { renewLoop } from './renew-loop.ts'

const readerSchema = z.strictObject({
  reader: z.string(),
  purpose: z.string(),
  holder: z.string(),
  startedMs: z.number(),
  untilMs: z.number(),
  state: z.enum(['held', 'released']),
})
export type ReaderBody = z.infer<typeof readerSchema>

export function readReader(name: string, options: ReadOptions): Promise<ReaderBody> {
  return readJson({ name, kind: 'reader', schema: readerSchema }, options)
}

export interface ReadingParts extends ReadOptions {
  readonly clock: Clock
  readonly purpose: string
  readonly holder: string
  readonly leaseMs: number
}

const CANNOT_WRITE = new Set(['repository.denied', 'repository.read-only'])

/** A lease where we may write; where we may not, a reading without one, which says so. */
export async function beginReading(parts: ReadingParts): Promise<Reading> {
  try {
    const startedMs = await parts.store.now(parts)
    const reading = new LeasedReading(parts, timedId(startedMs), startedMs)
    await reading.begin()
    return reading
  } catch (error) {
    if (!isWharfError(error) || !CANNOT_WRITE.has(error.code)) throw error
    return unleased(`no lease is taken, because ${messageOf(error)}: expiry may delete what is read`)
  }
}

function unleased(why: string): Reading {
  return {
    leased: false,
    why,
    lost: new AbortController().signal,
    end: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

class LeasedReading implements Reading {
  readonly leased = true
  readonly why = undefined
  readonly lost: AbortSignal
  private readonly losing = new AbortController()
  private readonly stop = new AbortController()
  private readonly parts: ReadingParts
  private readonly id: string
  private readonly startedMs: number
  private sequence = 0
  private untilMs: number
  private renewing: Promise<void> = Promise.resolve()

  constructor(parts: ReadingParts, id: string, startedMs: number) {
    this.parts = parts
    this.id = id
    this.startedMs = startedMs
    this.untilMs = startedMs + parts.leaseMs
    this.lost = this.losing.signal
  }

  async begin(): Promise<void> {
    await this.put(0, 'held', this.parts.signal)
    this.renewing = renewLoop({
      ...this.parts,
      stopped: AbortSignal.any([this.stop.signal, this.parts.signal]),
      isLost: () => this.lost.aborted,
      renew: () => this.renew(),
    })
  }

  private async put(sequence: number, state: ReaderBody['state'], signal: AbortSignal): Promise<void> {
    const { purpose, holder } = this.parts
    const body: ReaderBody = {
      reader: this.id,
      purpose,
      holder,
      startedMs: this.startedMs,
      untilMs: this.untilMs,
      state,
    }
    await putJson({ name: readerName(this.id, sequence), kind: 'reader' }, body, { ...this.parts, signal })
  }

  private async renew(): Promise<void> {
    const { store, leaseMs } = this.parts
    const signal = withTimeLimit(this.stop.signal, leaseMs)
    const now = await store.now({ signal })
    if (now > this.untilMs) {
      this.losing.abort(new Error('the lease of this reader ran out before it was renewed'))
      return
    }
    const before = this.untilMs
    this.untilMs = now + leaseMs
    try {
      await this.put(this.sequence + 1, 'held', signal)
      this.sequence++
    } catch (error) {
      this.untilMs = before
      if (!isWharfError(error, 'repository.object-exists')) throw error
      // A renewal whose answer was lost: nobody else has our id.
      this.untilMs = (await readReader(readerName(this.id, this.sequence + 1), { ...this.parts, signal })).untilMs
      this.sequence++
    }
    // The one before the last stays: who has listed it just now finds it, and it holds still.
    if (this.sequence > 2) await store.remove(readerName(this.id, this.sequence - 2), { signal }).catch(() => {})
  }

  /** Never rejects: a lease that cannot be released runs out. */
  async end(): Promise<void> {
    if (this.stop.signal.aborted) return
    this.stop.abort()
    await this.renewing
    const signal = timeLimit(this.parts.leaseMs)
    const { store } = this.parts
    try {
      const released = readerName(this.id, this.sequence + 2)
      await this.put(this.sequence + 2, 'released', signal)
      for await (const { name } of store.list(`${READER_PREFIX}${this.id}/`, { signal }))
        if (name !== released) await store.remove(name, { signal })
      await store.remove(released, { signal })
    } catch {
      // Runs out by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }
}

/** The newest object of each reader. */
export async function newestReaders(options: ReadOptions): Promise<{ id: string; names: string[] }[]> {
  const found = new Map<string, string[]>()
  for await (const { name } of options.store.list(READER_PREFIX, options)) {
    const at = parseReaderName(name)
    if (!at) continue
    const names = found.get(at.id)
    if (names) names.push(name)
    else found.set(at.id, [name])
  }
  return [...found].map(([id, names]) => ({ id, names }))
}
