// From query strings and bodies to an operation's input.
import { z } from 'zod'

import type { AnyOperation } from '../../base/operation.ts'
import { errors } from '../errors.ts'

/** JSON Schema of an operation's input as callers write it: before defaults and transforms. */
export function inputSchema(operation: AnyOperation): JsonSchema {
  return z.toJSONSchema(operation.input, { io: 'input', unrepresentable: 'any', target: 'draft-2020-12' }) as JsonSchema
}

/** JSON Schema of what an operation answers. bigint is text on the wire. */
export function outputSchema(operation: AnyOperation): JsonSchema {
  return z.toJSONSchema(operation.output, {
    io: 'output',
    unrepresentable: 'any',
    target: 'draft-2020-12',
    override: ({ zodSchema, jsonSchema }) => {
      const type = zodSchema._zod.def.type
      if (type === 'bigint') Object.assign(jsonSchema, { type: 'string', pattern: '^-?\\d+$' })
      if (type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' })
    },
  }) as JsonSchema
}

export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly [key: string]: unknown
}

function typesOf(schema: JsonSchema): readonly string[] {
  const own = schema.type === undefined ? [] : typeof schema.type === 'string' ? [schema.type] : schema.type
  return [...own, ...(schema.anyOf ?? []).flatMap(typesOf)]
}

/** Query strings know only text: numbers, booleans and lists are read as the schema wants them. */
export function coerceQuery(query: Readonly<Record<string, unknown>>, schema: JsonSchema): Record<string, unknown> {
  const known = schema.properties ?? {}
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(query)) {
    const property = known[key]
    if (!property) throw errors.badInput({ at: key, why: `unknown parameter${knownOnes(Object.keys(known))}` })
    result[key] = coerce(value, property)
  }
  return result
}

function knownOnes(names: readonly string[]): string {
  return names.length === 0 ? ' (none is taken)' : ` (known: ${names.join(', ')})`
}

function coerce(value: unknown, schema: JsonSchema): unknown {
  const types = typesOf(schema)
  if (types.includes('array'))
    return (Array.isArray(value) ? value : [value]).map((one) => coerce(one, schema.items ?? {}))
  if (typeof value !== 'string' || types.includes('string')) return value
  if ((types.includes('number') || types.includes('integer')) && value.trim() !== '' && Number.isFinite(Number(value)))
    return Number(value)
  if (types.includes('boolean') && (value === 'true' || value === '')) return true
  if (types.includes('boolean') && value === 'false') return false
  return value
}

/** The validated input, or `server.bad-input` naming the field. */
export function parseInput(operation: AnyOperation, raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw errors.badBody(undefined)
  const parsed = operation.input.safeParse(raw)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const at = issue?.path.join('.') ?? ''
  throw errors.badInput({ at, why: issue?.message ?? 'not valid' }, at === '' ? {} : { place: { object: at } })
}
