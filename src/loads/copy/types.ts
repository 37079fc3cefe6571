// Which texts a column takes, by its type. Stricter than PostgreSQL where PostgreSQL guesses (dates in local order, `tomorrow`, zones that are
// silently dropped) and the same in all versions; types not listed are judged by the server alone.

/** Undefined: fine. Else what is wrong, to stand after the value: `is not a number (real)`. */
export type Check = (value: string) => string | undefined

const WHOLE = /^[+-]?\d+$/
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const SPECIAL = /^(nan|[+-]?inf(inity)?)$/i
const BOOLEAN = /^(t|f|true|false|yes|no|y|n|on|off|1|0)$/i
const DATE = /^(\d{4,6})-(\d{2})-(\d{2})$/
const TIME = '([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,6})?)?'
const ZONE = '(Z|[+-](0\\d|1[0-5])(:?[0-5]\\d)?)'
const STAMP = new RegExp(`^(\\d{4,6}-\\d{2}-\\d{2})[T ]${TIME}(\\s?${ZONE})?$`, 'i')

const limits: Readonly<Record<string, readonly [bigint, bigint]>> = {
  smallint: [-32_768n, 32_767n],
  integer: [-2_147_483_648n, 2_147_483_647n],
  bigint: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
}

/** `type` as format_type() names it. Undefined where the server alone knows. */
export function checkFor(type: string): Check | undefined {
  const bare = type.replace(/\(.*\)/, '')
  const range = limits[bare]
  if (range) return wholeNumber(type, range)
  switch (bare) {
    case 'real':
    case 'double precision':
    case 'numeric':
      return (value) => (NUMBER.test(value) || SPECIAL.test(value) ? undefined : `is not a number (${type})`)
    case 'boolean':
      return (value) => (BOOLEAN.test(value) ? undefined : 'is not a boolean')
    case 'date':
      return (value) => (isDay(value) ? undefined : 'is not a date (wanted: YYYY-MM-DD)')
    case 'timestamp without time zone':
    case 'timestamp with time zone':
      return timestamp(bare === 'timestamp with time zone')
    default:
      return undefined
  }
}

function wholeNumber(type: string, [least, most]: readonly [bigint, bigint]): Check {
  const safe = String(most).length - 1
  return (value) => {
    if (!WHOLE.test(value)) return `is not a whole number (${type})`
    if (value.length <= safe) return undefined
    const number = BigInt(value.startsWith('+') ? value.slice(1) : value)
    return number < least || number > most ? `is out of range for ${type}` : undefined
  }
}

function isDay(value: string): boolean {
  const found = DATE.exec(value)
  if (!found) return false
  const [year, month, day] = [Number(found[1]), Number(found[2]), Number(found[3])]
  return month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month) && year > 0
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function timestamp(withZone: boolean): Check {
  return (value) => {
    const found = STAMP.exec(value)
    if (!found || !isDay(found[1]!)) return 'is not a time (wanted: YYYY-MM-DDThh:mm:ss)'
    const hasZone = found[5] !== undefined
    if (withZone && !hasZone) return 'lacks its time zone (wanted: YYYY-MM-DDThh:mm:ssZ or with an offset)'
    if (!withZone && hasZone) return 'has a time zone, which the column would drop'
    return undefined
  }
}
