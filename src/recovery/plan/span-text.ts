import { formatDuration } from '../../base/units.ts'
import type { Total } from '../rates/model.ts'

/** A prediction for people: expectation, interval and what it rests on. */
export function spanText({ expectedMs, lowMs, highMs, basis }: Total): string {
  return `${formatDuration(expectedMs)} (80 %: ${formatDuration(lowMs)} to ${formatDuration(highMs)}, ${basis})`
}
