// Times as text. Relative ones for reading, exact ones with their zone for hovering and for copying.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../base/units.ts'

const exact = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: '2-digit',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'short',
})
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const clockWithSeconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dayAndMonth = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })

/** `Sat, 21 Nov 2026, 12:31:04 UTC`. */
export function exactTime(epochMs: number): string {
  return exact.format(epochMs)
}

/** With the time in UTC, as commands and logs have it, where this browser shows another zone. */
export function exactTimeAndUtc(epochMs: number): string {
  const shown = exactTime(epochMs)
  const utc = new Date(epochMs).toISOString()
  return shown.includes(utc.slice(11, 19)) ? shown : `${shown} = ${utc.slice(0, 10)} ${utc.slice(11, 19)} UTC`
}

/** Epoch milliseconds of ISO 8601, or of `2026-11-21 12:31:04.123456 UTC`, which not every browser reads. */
export function momentOf(text: string): number {
  const match = /^(\S+) (\S+?)(\.\d{1,3})?\d* UTC$/.exec(text)
  return Date.parse(match ? `${match[1]}T${match[2]}${match[3] ?? ''}Z` : text)
}

/** `12:31`, or with seconds. */
export function clockTime(epochMs: number, withSeconds = false): string {
  return (withSeconds ? clockWithSeconds : clock).format(epochMs)
}

/** `21 Nov`. */
export function dayTime(epochMs: number): string {
  return dayAndMonth.format(epochMs)
}

/** `just now`, `12 s ago`, `3 min ago`, `5 h ago`, `2 d ago`; `in 3 min` for times to come. */
export function relativeTime(epochMs: number, nowMs: number): string {
  const age = nowMs - epochMs
  const size = Math.abs(age)
  if (size < 2 * SECOND_MS) return 'just now'
  const text = largest(size)
  return age >= 0 ? `${text} ago` : `in ${text}`
}

function largest(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s`
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`
  if (ms < 12 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} h ${Math.floor((ms % HOUR_MS) / MINUTE_MS)} min`
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)} h`
  return `${Math.floor(ms / DAY_MS)} d`
}
