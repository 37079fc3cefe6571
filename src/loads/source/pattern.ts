// Patterns of file names: `{date}.csv`, `sales/*-{date:YYYYMMDD}.csv.gz`.

export interface Pattern {
  readonly text: string
  /** Whether a file (path within the folder, with `/`) matches, and its business date as YYYY-MM-DD if the pattern has one. */
  match(path: string): { readonly businessDate: string | undefined } | undefined
  /** How many folders below the source's folder the files are. */
  readonly depth: number
}

const FORMATS: Readonly<Record<string, string>> = {
  YYYY: '(?<year>\\d{4})',
  MM: '(?<month>\\d{2})',
  DD: '(?<day>\\d{2})',
}

/** Throws a plain error whose message says what is wrong with the pattern; config.ts turns it into a finding. */
export function parsePattern(text: string): Pattern {
  const dates = [...text.matchAll(/\{([^}]*)\}?/g)]
  if (dates.length > 1) throw new Error('a pattern has at most one {date}')
  if (text.startsWith('/') || text.split('/').includes('..')) throw new Error('a pattern stays within its folder')
  const [date] = dates
  const before = date ? text.slice(0, date.index) : text
  const behind = date ? text.slice(date.index + date[0].length) : ''
  const regex = new RegExp(`^${literal(before)}${date ? dateRegex(date[0]) : ''}${literal(behind)}$`)
  return {
    text,
    depth: text.split('/').length - 1,
    match: (path) => {
      const found = regex.exec(path)
      if (!found) return undefined
      const groups = found.groups
      if (!groups) return { businessDate: undefined }
      const businessDate = `${groups['year']}-${groups['month']}-${groups['day']}`
      return isDate(businessDate) ? { businessDate } : undefined
    },
  }
}

function literal(text: string): string {
  return text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '[^/]*')
}

function dateRegex(placeholder: string): string {
  const format = /^\{date(?::([^}]+))?\}$/.exec(placeholder)
  if (!format) throw new Error(`unknown placeholder ${placeholder}; only {date} and {date:FORMAT} are known`)
  const parts = (format[1] ?? 'YYYY-MM-DD').split(/(YYYY|MM|DD)/)
  for (const part of ['YYYY', 'MM', 'DD']) {
    if (parts.filter((one) => one === part).length !== 1)
      throw new Error(`the format in ${placeholder} must have YYYY, MM and DD once each`)
  }
  return parts.map((part) => FORMATS[part] ?? literal(part)).join('')
}

/** Whether YYYY-MM-DD is a day of the calendar. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const time = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text)
}
