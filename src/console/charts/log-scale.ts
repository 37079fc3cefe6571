// Durations from milliseconds to days on one axis: equal ratios are equally far.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../base/units.ts'

const fine = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 20, 30].map((one) => one * SECOND_MS),
  [1, 2, 5, 10, 20, 30].map((one) => one * MINUTE_MS),
  [1, 2, 4, 8, 12].map((one) => one * HOUR_MS),
  [1, 2, 4, 8, 16, 32].map((one) => one * DAY_MS),
)
const coarse: ReadonlySet<number> = new Set(
  [1, 10, 100].concat(
    [1, 10].map((one) => one * SECOND_MS),
    [1, 10].map((one) => one * MINUTE_MS),
    [1, 8].map((one) => one * HOUR_MS),
    [1, 4, 32].map((one) => one * DAY_MS),
  ),
)
const mostTicks = 8

export interface LogScale {
  readonly fromMs: number
  readonly toMs: number
}

/** From a round duration at or below the least to one at or above the most; at least two marks apart. */
export function logScale(values: readonly number[]): LogScale {
  const least = Math.max(1, Math.min(...values))
  const most = Math.max(least, ...values)
  const above = fine.findIndex((one) => one >= most)
  const to = above === -1 ? fine.length - 1 : above
  const below = fine.findLastIndex((one) => one <= least)
  const from = Math.max(0, Math.min(below, to - 2))
  return { fromMs: fine[from]!, toMs: Math.max(fine[Math.max(to, from + 2)]!, most) }
}

/** From 0 to 1; what is beyond the ends stands at them. */
export function shareOf({ fromMs, toMs }: LogScale, ms: number): number {
  const share = Math.log(Math.max(ms, 1) / fromMs) / Math.log(toMs / fromMs)
  return Math.min(1, Math.max(0, share))
}

export function logTicks({ fromMs, toMs }: LogScale): readonly number[] {
  const all = fine.filter((one) => one >= fromMs && one <= toMs)
  return all.length <= mostTicks ? all : all.filter((one) => coarse.has(one))
}
