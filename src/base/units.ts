// Durations and sizes as people write them, and as they like to read them.
import { defineErrors } from './errors.ts'

export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB
export const TIB = 1024 * GIB

export const SECOND_MS = 1000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  m: MINUTE_MS,
  min: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
}

const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: KIB,
  KB: KIB,
  KiB: KIB,
  MB: MIB,
  MiB: MIB,
  GB: GIB,
  GiB: GIB,
  TB: TIB,
  TiB: TIB,
}

const errors = defineErrors('units', {
  badDuration: {
    exit: 'usage',
    message: (text: string) => `not a duration: "${text}"`,
    hint: () => 'a number with a unit, for example 500ms, 30s, 15m, 2h, 7d, or several: 1h30m',
  },
  badSize: {
    exit: 'usage',
    message: (text: string) => `not a size: "${text}"`,
    hint: () => 'a number with a unit, for example 512kB, 64MB, 10GB, 2TB (powers of 1024, as PostgreSQL has them)',
  },
})

/** `1h30m` → milliseconds. A bare number is refused: a unit is required. */
export function parseDuration(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)\s*/gy)]
  const length = parts.reduce((sum, part) => sum + part[0].length, 0)
  if (parts.length === 0 || length !== text.trim().length) throw errors.badDuration(text)
  let total = 0
  for (const [, amount, unit] of parts) {
    const factor = durationUnits[unit ?? '']
    if (factor === undefined) throw errors.badDuration(text)
    total += Number(amount) * factor
  }
  return total
}

/** `64MB` → bytes; units as in postgresql.conf (powers of 1024). A bare number is refused. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim())
  const factor = sizeUnits[match?.[2] ?? '']
  if (!match || factor === undefined) throw errors.badSize(text)
  return Math.round(Number(match[1]) * factor)
}

/** Bytes for people: `1.4 GB` (powers of 1024, as PostgreSQL prints them). */
export function formatSize(bytes: number | bigint): string {
  let value = Number(bytes)
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (Math.abs(value) < 1000) return `${unit === 'B' || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`
    value /= 1024
  }
  return `${value.toFixed(1)} TB`
}

/** Milliseconds for people: `850 ms`, `4.2 s`, `3 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`
  if (ms < 10 * SECOND_MS) return `${(ms / SECOND_MS).toFixed(1)} s`
  const [large, largeName, small, smallName] = ladder(ms)
  return small === 0 ? `${large} ${largeName}` : `${large} ${largeName} ${small} ${smallName}`
}

function ladder(ms: number): [number, string, number, string] {
  const seconds = Math.round(ms / SECOND_MS)
  if (seconds < 60) return [seconds, 's', 0, '']
  if (seconds < 3600) return [Math.floor(seconds / 60), 'min', seconds % 60, 's']
  const minutes = Math.round(seconds / 60)
  if (minutes < 24 * 60) return [Math.floor(minutes / 60), 'h', minutes % 60, 'min']
  const hours = Math.round(minutes / 60)
  return [Math.floor(hours / 24), 'd', hours % 24, 'h']
}
