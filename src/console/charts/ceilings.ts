// Round tops for axes, in the unit of what is shown.
import { DAY_MS, HOUR_MS, KIB, MINUTE_MS, SECOND_MS } from '../../base/units.ts'

const durations = [10, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 15, 30].map((one) => one * SECOND_MS),
  [1, 2, 5, 10, 15, 30].map((one) => one * MINUTE_MS),
  [1, 2, 4, 6, 12].map((one) => one * HOUR_MS),
)

/** The next round duration: 5 s, 15 min, 2 h, else whole days. */
export function durationCeiling(ms: number): number {
  return durations.find((one) => one >= ms) ?? Math.ceil(ms / DAY_MS) * DAY_MS
}

const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

/** The next round size: 512 kB, 2 GB. */
export function sizeCeiling(bytes: number): number {
  const unit = bytes < 1 ? KIB : KIB ** Math.floor(Math.log(Math.max(1, bytes)) / Math.log(KIB))
  return (sizes.find((one) => one * unit >= bytes) ?? KIB) * unit
}
