// Names of tables as people type them, and as SQL wants them.
import { createHash } from 'node:crypto'

import { quoteName } from '../../warehouse/quote.ts'
import { tableErrors as errors } from '../table-errors.ts'

export interface TableName {
  readonly schema: string | undefined
  readonly name: string
}

/** PostgreSQL's NAMEDATALEN - 1. */
export const MOST_NAME_BYTES = 63

/** `orders`, `sales.orders`, `"Sales"."Or.ders"`: unquoted parts are lower-cased, as SQL does. Rejects with `recovery.bad-table-name`. */
export function parseTableName(text: string): TableName {
  const part = String.raw`"(?:[^"]|"")+"|[^".\s]+`
  const match = new RegExp(`^(?:(${part})\\.)?(${part})$`).exec(text.trim())
  if (!match) throw errors.badTableName({ text })
  const [, schema, name] = match
  return { schema: schema === undefined ? undefined : unquoted(schema), name: unquoted(name!) }
}

function unquoted(part: string): string {
  return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.toLowerCase()
}

export function sqlName(of: { readonly schema: string; readonly name: string }): string {
  return `${quoteName(of.schema)}.${quoteName(of.name)}`
}

/** For people: quoted only where SQL would need it. */
export function shownName(of: { readonly schema: string; readonly name: string }): string {
  return `${shown(of.schema)}.${shown(of.name)}`
}

function shown(part: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(part) ? part : quoteName(part)
}

/** A name with an ending, cut so that PostgreSQL need not cut it. */
export function nameWith(name: string, ending: string): string {
  let cut = name
  while (Buffer.byteLength(cut + ending) > MOST_NAME_BYTES) cut = Array.from(cut).slice(0, -1).join('')
  return cut + ending
}

const HASH_DIGITS = 6

/** As nameWith(); where it has to be cut, names that only differ behind the cut stay apart. */
export function keptName(name: string, ending: string): string {
  if (Buffer.byteLength(name + ending) <= MOST_NAME_BYTES) return name + ending
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS)
  return nameWith(name, `_${hash}${ending}`)
}

export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return quoted.includes('\\') ? ` E${quoted.replaceAll('\\', String.raw`\\`)}` : quoted
}
