// Moments as operators write them. Strict: whatever is not fully understood is refused, since a target that is off by an hour loses data.
import { targetErrors as errors } from './errors.ts'

/** A moment with microseconds, as PostgreSQL has them. */
export interface Moment {
  /** Microseconds since 1970 UTC. */
  readonly timeUs: bigint
  /** The zone that was applied, e.g. `+02:00`, `UTC`, `Europe/Berlin`, and whether it was written or is this machine's. */
  readonly zone: string
  readonly zoneGiven: boolean
}

interface WallTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

const pattern =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?|[A-Za-z]+(?:\/[A-Za-z0-9_+-]+)+)?$/

/**
 * `2026-11-20 14:05:00+01`, `2026-11-20T14:05:00.123456Z`, `2026-11-20 14:05 Europe/Berlin`. Without a zone it is read in `localZone` (the
 * caller shows the UTC time that was understood). Times that a change of clocks skips or doubles are refused.
 */
export function parseMoment(text: string, localZone: string): Moment {
  const match = pattern.exec(text.trim())
  if (!match) throw errors.badTime({ text, why: 'not understood' })
  const wall = wallOf(match)
  if (!isReal(wall)) throw errors.badTime({ text, why: 'there is no such date or time of day' })
  const micros = BigInt((match[7] ?? '').padEnd(6, '0') || '0')
  const zone = match[8] ?? localZone
  const epochMs = utcOf(wall, zone, text)
  return { timeUs: BigInt(epochMs) * 1000n + micros, zone, zoneGiven: match[8] !== undefined }
}

function wallOf(match: RegExpExecArray): WallTime {
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((index) => Number(match[index] ?? '0'))
  return { year: year!, month: month!, day: day!, hour: hour!, minute: minute!, second: second! }
}

function asUtc(wall: WallTime): number {
  return Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second)
}

function isReal(wall: WallTime): boolean {
  const back = new Date(asUtc(wall))
  const sameDay =
    back.getUTCMonth() === wall.month - 1 && back.getUTCDate() === wall.day && back.getUTCFullYear() === wall.year
  return sameDay && wall.hour < 24 && wall.minute < 60 && wall.second < 60
}

function utcOf(wall: WallTime, zone: string, text: string): number {
  if (/^(Z|UTC|GMT)$/.test(zone)) return asUtc(wall)
  const offset = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone)
  if (!offset) return inNamedZone(wall, zone, text)
  const minutes = Number(offset[2]) * 60 + Number(offset[3] ?? '0')
  if (minutes > 16 * 60 || Number(offset[3] ?? '0') > 59) throw errors.badTime({ text, why: `${zone} is no zone` })
  return asUtc(wall) - (offset[1] === '-' ? -minutes : minutes) * 60_000
}

function inNamedZone(wall: WallTime, zone: string, text: string): number {
  const guess = asUtc(wall)
  const dayMs = 86_400_000
  let candidates: Set<number>
  try {
    candidates = new Set([guess - dayMs, guess, guess + dayMs].map((at) => guess - offsetAt(zone, at)))
  } catch {
    throw errors.badTime({ text, why: `no time zone is called ${zone}` })
  }
  const fitting = [...candidates].filter((at) => at + offsetAt(zone, at) === guess)
  if (fitting.length === 0) throw errors.badTime({ text, why: `the clocks in ${zone} skip this time` })
  if (fitting.length > 1) throw errors.badTime({ text, why: `the clocks in ${zone} show this time twice` })
  return fitting[0]!
}

/** Milliseconds that the zone's clocks are ahead of UTC at an instant. */
function offsetAt(zone: string, epochMs: number): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(epochMs)
  const field = (type: string): number => Number(parts.find((part) => part.type === type)?.value)
  const wall = {
    year: field('year'),
    month: field('month'),
    day: field('day'),
    hour: field('hour'),
    minute: field('minute'),
    second: field('second'),
  }
  return asUtc(wall) - Math.floor(epochMs / 1000) * 1000
}

/** `2026-11-20 13:05:00.123456 UTC`. */
export function formatMoment(timeUs: bigint): string {
  const text = new Date(Number(timeUs / 1000n)).toISOString()
  return `${text.slice(0, 10)} ${text.slice(11, 19)}.${String(timeUs % 1_000_000n).padStart(6, '0')} UTC`
}

/** Name of this machine's time zone. */
export function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone
}
