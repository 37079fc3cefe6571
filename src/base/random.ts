// The one door through which randomness enters.
import { randomBytes, randomInt } from 'node:crypto'

export interface Random {
  bytes(count: number): Buffer
  /** A whole number from 0 to `below` − 1. */
  integer(below: number): number
}

export const systemRandom: Random = { bytes: (count) => randomBytes(count), integer: (below) => randomInt(below) }

/** A repeatable generator for tests and the demo (mulberry32: 32 bits of state, good enough for data, not for keys). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => next() & 0xff)),
    integer: (below) => Math.floor((next() / 0x1_0000_0000) * below),
  }
}

/**
 * A name that sorts by time and never collides: `20261120T140500Z-7f3a9c1e`. The random part keeps two made in one
 * second, or across a clock step, apart.
 */
export function timedId(epochMs: number, random: Random = systemRandom): string {
  const stamp = new Date(epochMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  return `${stamp}-${random.bytes(4).toString('hex')}`
}
