// Suites that would be too long with every version take one each day, in turn: within a week each has had several. The name of a test says which it was.
import { systemClock } from '../../src/base/clock.ts'
import { DAY_MS } from '../../src/base/units.ts'

/** Of several the one whose day it is (UTC); `TEST_DAY` is a number of days that decides instead, to repeat what failed on another day. */
export function ofTheDay<T>(all: readonly T[]): T {
  const day = Number(process.env['TEST_DAY'] ?? Math.floor(systemClock.now() / DAY_MS))
  return all[day % all.length]!
}
