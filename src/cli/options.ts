// From an operation's input schema to options and arguments, and from what was typed back to the input.
import type { z } from 'zod'

import { configTypeOf, parseInstant } from '../base/config-types.ts'
import { kebab } from '../base/errors.ts'
import type { AnyOperation } from '../base/operation.ts'
import { bare, choicesOf, elementOf, fieldsOf } from '../base/schema.ts'

export type RawKind = 'switch' | 'text' | 'number' | 'whole' | 'time' | 'pair' | 'json'

/** One option or argument of a command. */
export interface OptionSpec {
  /** Key of the input. */
  readonly key: string
  /** `--before-load`; for a switch that is on by default `--no-audit`. */
  readonly flag: string
  readonly kind: RawKind
  readonly repeatable: boolean
  readonly required: boolean
  readonly choices: readonly string[] | undefined
  readonly placeholder: string
  readonly description: string
  /** As shown in help; undefined where there is none. */
  readonly defaultText: string | undefined
}

export interface CommandSpec {
  readonly positionals: readonly OptionSpec[]
  readonly options: readonly OptionSpec[]
}

/** What the command line of `operation` looks like. The input must be an object schema. */
export function commandSpec(operation: AnyOperation): CommandSpec {
  const fields = fieldsOf(operation.input as z.ZodType)
  if (!fields) throw new TypeError(`operation "${operation.name}": the input is no object schema`)
  const positional = operation.positional ?? []
  const specs = Object.entries(fields).map(([key, schema]) => optionSpec(key, schema))
  const byKey = new Map(specs.map((spec) => [spec.key, spec]))
  const positionals = positional.map((key) => {
    const spec = byKey.get(key)
    if (!spec) throw new TypeError(`operation "${operation.name}": no input key "${key}"`)
    return spec
  })
  return { positionals, options: specs.filter((spec) => !positional.includes(spec.key)) }
}

function optionSpec(key: string, schema: z.ZodType): OptionSpec {
  const outer = bare(schema)
  const element = elementOf(schema)
  const inner = element === undefined ? outer : bare(element)
  const kind = kindOf(inner.type, inner.schema)
  const isOn = kind === 'switch' && outer.defaultValue === true
  return {
    key,
    flag: `--${isOn ? 'no-' : ''}${kebab(key)}`,
    kind,
    repeatable: element !== undefined || kind === 'pair',
    required: !outer.optional && kind !== 'switch' && element === undefined && kind !== 'pair',
    choices: choicesOf(inner.schema),
    placeholder:
      configTypeOf(inner.schema)?.name ?? placeholders[kind] ?? kebab(key).replaceAll('-', '_').toUpperCase(),
    description: outer.description ?? inner.description ?? '',
    defaultText: kind === 'switch' ? undefined : defaultText(outer.defaultValue, inner.schema),
  }
}

const placeholders: Partial<Record<RawKind, string>> = { number: 'N', whole: 'N', pair: 'NAME=VALUE', json: 'JSON' }

function kindOf(type: string, schema: z.ZodType): RawKind {
  if (configTypeOf(schema)) return 'text'
  if (type === 'boolean') return 'switch'
  if (type === 'number' || type === 'int') return 'number'
  if (type === 'bigint') return 'whole'
  if (type === 'date') return 'time'
  if (type === 'record') return 'pair'
  if (type === 'object' || type === 'array') return 'json'
  return 'text'
}

function defaultText(value: unknown, schema: z.ZodType): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(String).join(', ')
  if (typeof value === 'object' && !(value instanceof Date))
    return Object.keys(value).length === 0 ? undefined : JSON.stringify(value)
  const type = configTypeOf(schema)
  if (typeof value === 'string') return value
  return type ? type.write(value) : JSON.stringify(value)
}

/** The input of an operation from the texts that were typed, before its schema sees it. Throws a text that says what is wrong. */
export function inputOf(spec: CommandSpec, typed: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const input: Record<string, unknown> = {}
  for (const option of [...spec.positionals, ...spec.options]) {
    const value = typed[option.key]
    if (value === undefined) continue
    input[option.key] =
      option.repeatable && option.kind === 'pair' ? pairs(option, value as string[]) : convert(option, value)
  }
  return input
}

function convert(option: OptionSpec, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => convert(option, one))
  if (typeof value !== 'string') return value
  try {
    return read(option.kind, value)
  } catch {
    // What cannot be read stays text: the schema then says what it wants instead, with the value.
    return value
  }
}

function read(kind: RawKind, text: string): unknown {
  if (kind === 'number') return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
  if (kind === 'whole') return BigInt(text)
  if (kind === 'time') return parseInstant(text)
  return kind === 'json' ? (JSON.parse(text) as unknown) : text
}

function pairs(option: OptionSpec, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=')
      if (equals < 1) throw new SyntaxError(`${option.flag} wants NAME=VALUE, not "${text}"`)
      return [text.slice(0, equals), text.slice(equals + 1)]
    }),
  )
}
