// Looks into zod schemas: what the command line, the configuration and its explanation need to know about a value.
import type { z } from 'zod'

import { configTypeOf } from './config-types.ts'

interface Definition {
  readonly type: string
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly out?: z.ZodType
  readonly defaultValue?: unknown
  readonly getter?: () => z.ZodType
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly element?: z.ZodType
  readonly items?: readonly z.ZodType[]
  readonly valueType?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly discriminator?: string
  readonly entries?: Readonly<Record<string, string | number>>
  readonly values?: readonly unknown[]
  readonly catchall?: z.ZodType
}

function definitionOf(schema: z.ZodType): Definition {
  return (schema as unknown as { _zod: { def: Definition } })._zod.def
}

/** A schema without its wrappers (optional, default, readonly, pipe, …) and what these said. */
export interface Bare {
  readonly schema: z.ZodType
  /** zod's word: `string`, `number`, `object`, `record`, `array`, `enum`, … */
  readonly type: string
  readonly optional: boolean
  /** As written in the schema: the input of a prefault, the output of a default. */
  readonly defaultValue: unknown
  readonly description: string | undefined
}

/** Takes the wrappers off. A type made by config-types.ts counts as bare: its inside is its own business. */
export function bare(schema: z.ZodType): Bare {
  let current = schema
  let optional = false
  let defaultValue: unknown
  let description = schema.description
  for (;;) {
    const definition = definitionOf(current)
    description ??= current.description
    if (definition.type === 'optional' || definition.type === 'nullable') optional = true
    if (definition.type === 'default' || definition.type === 'prefault') {
      optional = true
      defaultValue ??= definition.defaultValue
    }
    const next = configTypeOf(current) ? undefined : inside(definition)
    if (next === undefined) return { schema: current, type: definition.type, optional, defaultValue, description }
    current = next
  }
}

function inside(definition: Definition): z.ZodType | undefined {
  if (definition.type === 'lazy') return definition.getter?.()
  if (definition.type !== 'pipe') return definition.innerType
  return definition.in && definitionOf(definition.in).type === 'transform' ? definition.out : definition.in
}

/** Keys and their schemas of an object schema; undefined for everything else and for objects that take any key. */
export function fieldsOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  const definition = definitionOf(bare(schema).schema)
  return definition.type === 'object' ? definition.shape : undefined
}

/** Whether an object schema takes keys that it does not name. */
export function takesAnyKey(schema: z.ZodType): boolean {
  const catchall = definitionOf(bare(schema).schema).catchall
  return catchall !== undefined && definitionOf(catchall).type !== 'never'
}

/** The texts that an enum, a literal or a union of literals takes; undefined for everything else. */
export function choicesOf(schema: z.ZodType): readonly string[] | undefined {
  const definition = definitionOf(bare(schema).schema)
  if (definition.type === 'enum') return Object.values(definition.entries ?? {}).map(String)
  if (definition.type === 'literal') return (definition.values ?? []).map(String)
  if (definition.type !== 'union') return undefined
  const parts = (definition.options ?? []).map((option) => choicesOf(option))
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined
}

/** The schema of the elements of an array schema. */
export function elementOf(schema: z.ZodType): z.ZodType | undefined {
  const definition = definitionOf(bare(schema).schema)
  return definition.type === 'array' ? definition.element : undefined
}

/** The schema that `value[key]` must meet, as far as it can be told; `value` chooses among the options of a union. */
export function childSchema(schema: z.ZodType, value: unknown, key: string | number): z.ZodType | undefined {
  const chosen = chooseOption(schema, value)
  const definition = definitionOf(bare(chosen).schema)
  if (definition.type === 'object')
    return definition.shape?.[key] ?? (takesAnyKey(chosen) ? definition.catchall : undefined)
  if (definition.type === 'record') return definition.valueType
  if (definition.type === 'array') return definition.element
  if (definition.type === 'tuple') return definition.items?.[Number(key)]
  return undefined
}

/** The option of a union that `value` means: by its discriminator, else by its JSON type and the keys that fit. */
export function chooseOption(schema: z.ZodType, value: unknown): z.ZodType {
  const { schema: core } = bare(schema)
  const { type, options = [] } = definitionOf(core)
  if (type !== 'union') return core
  const fitting = options.filter((option) => jsonType(option) === jsonTypeOfValue(value))
  if (fitting.length < 2 || jsonTypeOfValue(value) !== 'object') return fitting[0] ?? core
  const scored = fitting.map((option) => ({ option, score: score(option, value as Record<string, unknown>) }))
  const best = scored.reduce((left, right) => (right.score > left.score ? right : left))
  return chooseOption(best.option, value)
}

function score(option: z.ZodType, value: Readonly<Record<string, unknown>>): number {
  const fields = fieldsOf(option) ?? {}
  let points = 0
  for (const [key, field] of Object.entries(fields)) {
    const choices = definitionOf(bare(field).schema).type === 'literal' ? choicesOf(field) : undefined
    if (choices) points += choices.includes(String(value[key])) ? 100 : -100
    else if (key in value) points += 1
  }
  return points
}

function jsonType(schema: z.ZodType): string {
  const { type } = bare(schema)
  if (type === 'record') return 'object'
  if (type === 'tuple') return 'array'
  if (type === 'int') return 'number'
  if (type === 'enum' || type === 'pipe' || type === 'template_literal') return 'string'
  if (type === 'literal') return typeof definitionOf(bare(schema).schema).values?.[0]
  return type === 'union' ? 'object' : type
}

function jsonTypeOfValue(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
