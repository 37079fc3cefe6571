// A token bucket that threads share: how many bytes a second all of them together may read. It holds no tokens but the moment up to which reading is
// spoken for, so that one compare-and-exchange takes a turn.

/** How far reading may fall behind its rate and catch up at once. */
const BURST_MS = 100

/** Structured-cloneable. */
export interface BucketState {
  /** Two BigInt64: the moment in microseconds of the monotonic clock, the rate in bytes per second (0: no limit). */
  readonly memory: SharedArrayBuffer
}

export function newBucket(bytesPerSecond: number | undefined): BucketState {
  const state = { memory: new SharedArrayBuffer(16) }
  setRate(state, bytesPerSecond)
  return state
}

/** Undefined: no limit. Whoever waits already goes on waiting by the old rate. */
export function setRate(state: BucketState, bytesPerSecond: number | undefined): void {
  const rate = bytesPerSecond === undefined ? 0n : BigInt(Math.max(1, Math.round(bytesPerSecond)))
  Atomics.store(new BigInt64Array(state.memory), 1, rate)
}

export class Bucket {
  private readonly cells: BigInt64Array

  constructor(state: BucketState) {
    this.cells = new BigInt64Array(state.memory)
  }

  /** Takes a turn for so many bytes; how many milliseconds to wait before they are read. `nowMs`: monotonic, the same clock in all threads. */
  take(bytes: number, nowMs: number): number {
    const rate = Atomics.load(this.cells, 1)
    if (rate === 0n) return 0
    const now = BigInt(Math.round(nowMs * 1000))
    const cost = (BigInt(bytes) * 1_000_000n) / rate
    for (;;) {
      const spoken = Atomics.load(this.cells, 0)
      const earliest = now - BigInt(BURST_MS * 1000)
      const mine = spoken > earliest ? spoken : earliest
      if (Atomics.compareExchange(this.cells, 0, spoken, mine + cost) !== spoken) continue
      return mine > now ? Number(mine - now) / 1000 : 0
    }
  }
}
