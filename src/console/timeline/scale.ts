// From time to place and back, and which times deserve a label.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../base/units.ts'

export interface TimeScale {
  readonly fromMs: number
  readonly toMs: number
  readonly width: number
}

export function placeOf(scale: TimeScale, epochMs: number): number {
  return ((epochMs - scale.fromMs) / (scale.toMs - scale.fromMs)) * scale.width
}

export function timeAt(scale: TimeScale, place: number): number {
  return scale.fromMs + (place / scale.width) * (scale.toMs - scale.fromMs)
}

const steps = [
  10 * SECOND_MS,
  30 * SECOND_MS,
  MINUTE_MS,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  15 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  2 * HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  7 * DAY_MS,
]

/** Round local times within the scale, at least `apart` pixels apart. */
export function ticks(scale: TimeScale, apart = 84): readonly number[] {
  const most = Math.max(1, Math.floor(scale.width / apart))
  const span = scale.toMs - scale.fromMs
  const step = steps.find((one) => span / one <= most) ?? Math.ceil(span / most / DAY_MS) * DAY_MS
  // Days begin at local midnight, not at that of UTC.
  const shift = new Date(scale.fromMs).getTimezoneOffset() * MINUTE_MS
  const first = Math.ceil((scale.fromMs - shift) / step) * step + shift
  const count = Math.max(0, Math.floor((scale.toMs - first) / step) + 1)
  return Array.from({ length: count }, (_, index) => first + index * step)
}

/** Events that would touch each other become one with a count. `gap` in pixels. */
export function clusters<T>(
  scale: TimeScale,
  events: readonly T[],
  at: (event: T) => number,
  gap = 9,
): readonly { readonly place: number; readonly events: readonly T[] }[] {
  const sorted = events.toSorted((a, b) => at(a) - at(b))
  const found: { place: number; events: T[] }[] = []
  for (const event of sorted) {
    const place = placeOf(scale, at(event))
    const last = found.at(-1)
    if (last && place - last.place < gap) last.events.push(event)
    else found.push({ place, events: [event] })
  }
  return found
}

/** The nearest of sorted times strictly before or after a moment. */
export function neighbour(times: readonly number[], fromMs: number, direction: -1 | 1): number | undefined {
  return direction === 1 ? times.find((one) => one > fromMs + 1) : times.findLast((one) => one < fromMs - 1)
}
