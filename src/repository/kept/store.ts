// Kept loads of a repository.
import { timeLimit } from '../../base/clock.ts'
import { errors } from '../errors.ts'
import type { Reading } from '../expiry-contract.ts'
import type { KeptContent, KeptContentWriter, KeptLoad, KeptLoads, KeptOutcome, KeptWriter } from '../kept-contract.ts'
import { isDamage } from '../check/findings.ts'
import type { ReadOptions } from '../object/decode.ts'
import { readStanding } from '../prune/standing.ts'
import type { WalArchive } from '../wal-contract.ts'
import { ContentWriter, readContent, type PieceOptions } from './content.ts'
import { readKeptIfThere, writeKept } from './head.ts'
import { KEPT_PREFIX, keptName, parseKeptName } from './names.ts'
import { outcomeOf } from './outcome.ts'

/** A load that was rolled back waits no longer for its head to go. */
const WITHDRAW_MS = 10_000

export interface KeptParts extends Omit<ReadOptions, 'signal'> {
  readonly wal: WalArchive
  readonly beginReading: (options: { purpose: string; signal: AbortSignal }) => Promise<Reading>
}

export class StoredKept implements KeptLoads {
  private readonly parts: KeptParts

  constructor(parts: KeptParts) {
    this.parts = parts
  }

  async begin(options: { warehouse: string; purpose: string; signal: AbortSignal }): Promise<KeptWriter> {
    const { warehouse, purpose, signal } = options
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(warehouse)) throw errors.badWarehouseName({ name: warehouse })
    const reading = await this.parts.beginReading({ purpose, signal })
    try {
      // After the lease is visible: what is marked from now on outlives it.
      const { dead } = await readStanding({ ...this.parts, signal })
      const tools = { ...this.parts, signal, isDead: (name: string) => dead.has(name) }
      return new StoredKeptWriter(tools, warehouse, reading)
    } catch (error) {
      await reading.end()
      throw error
    }
  }

  async list(
    warehouse: string,
    signal: AbortSignal,
    { onDamaged }: { onDamaged?: (object: string, error: Error) => void } = {},
  ): Promise<readonly KeptLoad[]> {
    const options = { ...this.parts, signal }
    const { dead } = await readStanding(options)
    const found: KeptLoad[] = []
    for await (const { name } of this.parts.store.list(`${KEPT_PREFIX}${warehouse}/`, { signal })) {
      if (parseKeptName(name) === undefined || dead.has(name)) continue
      try {
        const load = await readKeptIfThere(name, options)
        if (load) found.push(load)
      } catch (error) {
        if (!onDamaged || !isDamage(error)) throw error
        onDamaged(name, error)
      }
    }
    return inOrder(found)
  }

  read(content: KeptContent, signal: AbortSignal): AsyncIterable<Buffer> {
    return readContent(content, { ...this.parts, signal })
  }

  outcome(load: KeptLoad, signal: AbortSignal): Promise<KeptOutcome> {
    return outcomeOf(load, this.parts.wal, signal)
  }
}

/** By position in WAL; clusters in the order of their oldest load. */
export function inOrder(loads: readonly KeptLoad[]): readonly KeptLoad[] {
  const first = new Map<bigint, number>()
  for (const { systemIdentifier, keptMs } of loads)
    first.set(systemIdentifier, Math.min(keptMs, first.get(systemIdentifier) ?? Infinity))
  return loads.toSorted((one, other) => {
    if (one.systemIdentifier !== other.systemIdentifier)
      return first.get(one.systemIdentifier)! - first.get(other.systemIdentifier)!
    if (one.lsn !== other.lsn) return one.lsn < other.lsn ? -1 : 1
    return one.id < other.id ? -1 : 1
  })
}

class StoredKeptWriter implements KeptWriter {
  private readonly options: PieceOptions
  private readonly warehouse: string
  private readonly reading: Reading
  /** Names of heads whose storing has begun. */
  private readonly heads = new Set<string>()

  constructor(options: PieceOptions, warehouse: string, reading: Reading) {
    this.options = options
    this.warehouse = warehouse
    this.reading = reading
  }

  content(): KeptContentWriter {
    return new ContentWriter(this.options)
  }

  async commit(load: Omit<KeptLoad, 'warehouse'>): Promise<void> {
    const name = keptName(this.warehouse, load.id)
    await this.options.store.barrier(this.options)
    this.demandLease()
    this.heads.add(name)
    await writeKept({ ...load, warehouse: this.warehouse }, this.options)
    this.demandLease()
  }

  demandLease(): void {
    if (this.reading.lost.aborted) throw errors.keptLeaseLost({ warehouse: this.warehouse })
  }

  async withdraw(id: string): Promise<void> {
    const name = keptName(this.warehouse, id)
    if (!this.heads.has(name)) return
    // Whoever may not delete leaves it to expiry.
    await this.options.store.remove(name, { signal: timeLimit(WITHDRAW_MS) }).catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reading.end()
  }
}
