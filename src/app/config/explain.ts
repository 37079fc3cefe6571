// The effective configuration: every value, and whether it comes from the file (and where) or is a default.
import type { z } from 'zod'

import { configTypeOf } from '../../base/config-types.ts'
import { formatPlace, type Place } from '../../base/errors.ts'
import { redactUrls } from '../../base/log.ts'
import type { ConfigSection } from '../../base/room.ts'
import { bare, childSchema, chooseOption } from '../../base/schema.ts'
import type { Path } from './document.ts'
import type { LoadedConfig } from './load.ts'

/** One value that is neither a mapping nor a list. */
export interface ExplainedValue {
  /** Keys joined by dots: `warehouses.retail.url`. */
  readonly path: string
  /** As one would write it in the file; secrets are `***`, references stay references. */
  readonly value: string
  readonly from: 'file' | 'default'
  readonly place?: Place
}

/** All values of a sound configuration, in order of sections. */
export function explainConfig(loaded: LoadedConfig, declared: readonly ConfigSection[]): readonly ExplainedValue[] {
  return declared.flatMap((section) => explainSection(section, loaded))
}

interface Walk {
  readonly loaded: LoadedConfig
  readonly out: ExplainedValue[]
}

function explainSection(section: ConfigSection, loaded: LoadedConfig): readonly ExplainedValue[] {
  const raw = (loaded.resolved.value as Readonly<Record<string, unknown>>)[section.key] ?? undefined
  const { schema, defaultValue } = bare(section.schema)
  // A section that turns its input into something else is shown as it is written, with the defaults of its input.
  const input = schema.safeParse(raw ?? defaultValue)
  const walk: Walk = { loaded, out: [] }
  visit(walk, { schema, value: input.success ? input.data : loaded.sections[section.key], raw, path: [section.key] })
  return walk.out
}

interface Visited {
  readonly schema: z.ZodType
  /** After defaults. */
  readonly value: unknown
  /** As in the file, references resolved; undefined where the file says nothing. */
  readonly raw: unknown
  readonly path: Path
}

function visit(walk: Walk, at: Visited): void {
  const schema = bare(chooseOption(at.schema, at.raw ?? at.value)).schema
  const written = bare(at.schema).defaultValue
  if (at.raw === undefined && typeof written === 'string') return leaf(walk, { ...at, value: written }, schema)
  const isLeaf = configTypeOf(schema) !== undefined || !isContainer(at.raw ?? at.value)
  if (isLeaf) return leaf(walk, at, schema)
  const keys = new Set([...keysOf(at.value), ...keysOf(at.raw)])
  for (const key of keys) {
    const step = Array.isArray(at.value ?? at.raw) ? Number(key) : key
    const child = childSchema(schema, at.raw ?? at.value, step) ?? schema
    visit(walk, { schema: child, value: item(at.value, key), raw: item(at.raw, key), path: [...at.path, step] })
  }
}

function leaf(walk: Walk, at: Visited, schema: z.ZodType): void {
  const type = configTypeOf(schema)
  const path = at.path.join('.')
  if (at.raw !== undefined) {
    const written = walk.loaded.resolved.referred.get(JSON.stringify(at.path))
    const value = written ?? (type?.secret ? '***' : text(at.raw))
    walk.out.push({ path, value: redactUrls(value), from: 'file', place: walk.loaded.document.placeOf(at.path) })
    return
  }
  if (at.value === undefined || at.value === null) return
  const value = type && typeof at.value !== 'string' ? type.write(at.value) : text(at.value)
  walk.out.push({ path, value: redactUrls(value), from: 'default' })
}

function isContainer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(value instanceof Date) && Object.keys(value).length > 0
}

function keysOf(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}

function item(value: unknown, key: string): unknown {
  return (value as Record<string, unknown> | null | undefined)?.[key]
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `path: value` lines with where each comes from. */
export function formatExplained(values: readonly ExplainedValue[]): string {
  const left = values.map((one) => `${one.path}: ${one.value}`)
  const width = Math.min(72, Math.max(0, ...left.map((line) => line.length)))
  return values
    .map((one, index) => `${left[index]!.padEnd(width)}  # ${one.place ? formatPlace(one.place) : 'default'}`)
    .join('\n')
}
