// Value types of wharf.yaml and of operations' inputs: durations and sizes with units, times with a zone, names, secrets.
// They are shared by every room's config.ts, so that one thing is written one way in the whole file.
import { Cron } from 'croner'
import { z } from 'zod'

import { isWharfError, messageOf } from './errors.ts'
import { Secret } from './secret.ts'
import { DAY_MS, GIB, HOUR_MS, KIB, MIB, MINUTE_MS, parseDuration, parseSize, SECOND_MS, TIB } from './units.ts'

/** How a type shows its parsed value as a person would write it, for `wharf config explain` and the defaults in help. */
export interface ConfigTypeInfo {
  /** Also the placeholder on the command line: `--grace DURATION`. */
  readonly name: string
  readonly secret?: boolean
  write(value: unknown): string
}

const types = new WeakMap<z.ZodType, ConfigTypeInfo>()

/** What `schema` was registered as by one of the functions below, or undefined for a plain schema. */
export function configTypeOf(schema: z.ZodType): ConfigTypeInfo | undefined {
  return types.get(schema)
}

function register<Schema extends z.ZodType>(schema: Schema, info: ConfigTypeInfo): Schema {
  types.set(schema, info)
  return schema
}

/** For types of a room of its own: a text that `read` turns into a value; what `read` throws becomes an issue that keeps the hint. */
export function textType<T>(
  input: z.ZodType<string>,
  info: ConfigTypeInfo,
  read: (text: string) => T,
): z.ZodType<T, string> {
  const schema = input.transform((text, issues): T => {
    try {
      return read(text)
    } catch (error) {
      const hint = isWharfError(error) ? error.hint : undefined
      issues.issues.push({ code: 'custom', message: messageOf(error), input: text, params: { hint } })
      return z.NEVER
    }
  })
  return register(schema, info) as unknown as z.ZodType<T, string>
}

function largestUnit(value: number, units: readonly (readonly [string, number])[]): string {
  const [name, factor] = units.find(([, size]) => value !== 0 && value % size === 0) ?? units.at(-1)!
  return `${value / factor}${name}`
}

const durationNames = [
  ['d', DAY_MS],
  ['h', HOUR_MS],
  ['m', MINUTE_MS],
  ['s', SECOND_MS],
  ['ms', 1],
] as const
const sizeNames = [
  ['TB', TIB],
  ['GB', GIB],
  ['MB', MIB],
  ['kB', KIB],
  ['B', 1],
] as const

/** 900000 → `15m`: the way back of parseDuration. */
export function writeDuration(ms: number): string {
  return ms === 0 ? '0s' : largestUnit(ms, durationNames)
}

/** 67108864 → `64MB`: the way back of parseSize. */
export function writeSize(bytes: number): string {
  return bytes === 0 ? '0B' : largestUnit(bytes, sizeNames)
}

/** `15m`, `1h30m` → milliseconds. Give defaults as they are written: `duration().prefault('15m')`. */
export function duration(): z.ZodType<number, string> {
  const input = z
    .string()
    .meta({ description: 'a duration with a unit', examples: ['500ms', '30s', '15m', '2h', '7d'] })
  return textType(input, { name: 'DURATION', write: (value) => writeDuration(Number(value)) }, parseDuration)
}

/** `64MB` → bytes (powers of 1024). Defaults: `size().prefault('64MB')`. */
export function size(): z.ZodType<number, string> {
  const input = z
    .string()
    .meta({ description: 'a size with a unit (powers of 1024)', examples: ['512kB', '64MB', '10GB'] })
  return textType(input, { name: 'SIZE', write: (value) => writeSize(Number(value)) }, parseSize)
}

const WITH_ZONE = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|[+-]\d{2}(:?\d{2})?)$/

/** `2026-11-20T14:05:00+01:00` → Date. A time without a zone is refused. */
export function instant(): z.ZodType<Date, string> {
  const input = z
    .string()
    .meta({ description: 'a time with its zone', examples: ['2026-11-20T14:05:00+01:00', '2026-11-20 13:05:00Z'] })
  return textType(input, { name: 'TIME', write: (value) => (value as Date).toISOString() }, parseInstant)
}

class Refused extends Error {}

/** Reads a time that carries its zone; throws an error whose message says what is missing. Precision: milliseconds. */
export function parseInstant(text: string): Date {
  const trimmed = text.trim()
  if (!WITH_ZONE.test(trimmed))
    throw new Refused(`not a time with a zone: "${text}" (write it like 2026-11-20T14:05:00+01:00)`)
  const zoned = trimmed
    .replace(' ', 'T')
    .replace(/\s/, '')
    .replace(/([+-]\d{2})$/, '$1:00')
  const time = new Date(zoned)
  if (Number.isNaN(time.getTime())) throw new Refused(`no such time: "${text}"`)
  return time
}

/** An IANA time zone, e.g. `Europe/Paris`. */
export function timezone(): z.ZodType<string, string> {
  const input = z.string().meta({ description: 'an IANA time zone', examples: ['UTC', 'Europe/Paris'] })
  return textType(input, { name: 'ZONE', write: String }, (text) => {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone && text
    } catch {
      throw new Refused(`no such time zone: "${text}" (write an IANA name like Europe/Paris, or UTC)`)
    }
  })
}

/** A cron expression with five fields: minute, hour, day of month, month, day of week. The zone stands beside it. */
export function cron(): z.ZodType<string, string> {
  const input = z
    .string()
    .meta({ description: 'minute hour day-of-month month day-of-week', examples: ['30 2 * * *', '0 */4 * * 1-5'] })
  return textType(input, { name: 'CRON', write: String }, (text) => {
    if (text.trim().split(/\s+/).length !== 5) throw new Refused(`not a cron expression of five fields: "${text}"`)
    try {
      new Cron(text, { paused: true }).stop()
      return text
    } catch {
      throw new Refused(`not a cron expression: "${text}" (fields: minute hour day-of-month month day-of-week)`)
    }
  })
}

/** Name of a thing that wharf.yaml declares: lower case, starts with a letter, at most 48 characters. */
export function declaredName(): z.ZodType<string, string> {
  return z
    .string()
    .regex(
      /^[a-z][a-z0-9_-]{0,47}$/,
      'a name is lower case letters, digits, _ and -, starts with a letter and has at most 48 characters',
    )
}

/**
 * A secret: must be written as `${env:NAME}` or `${file:PATH}`, never in clear. The value arrives as Secret, which hides
 * itself wherever it is printed.
 */
export function secret(): z.ZodType<Secret, string> {
  const input = z
    .string()
    .min(1, 'a secret must not be empty')
    .meta({ description: 'a secret by reference', examples: ['${env:NAME}', '${file:PATH}'] })
  return textType(input, { name: 'SECRET', secret: true, write: () => '***' }, (text) => new Secret(text))
}

/** A whole number from `least` to `most`. */
export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): z.ZodType<number, number> {
  return z.number().int().min(least).max(most)
}
