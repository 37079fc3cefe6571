// wharf.yaml from text to validated sections. All findings are gathered, then thrown as one error.
import type { z } from 'zod'

import { configTypeOf } from '../../base/config-types.ts'
import type { Environment } from '../../base/environment.ts'
import type { ConfigSection, Room } from '../../base/room.ts'
import { bare, childSchema, chooseOption } from '../../base/schema.ts'
import { parseConfig, type ConfigDocument, type Path } from './document.ts'
import { invalidConfig, type PlacedFinding } from './findings.ts'
import { explainIssues, unknownKey, unknownKeys, type Examined } from './issues.ts'
import { resolveReferences, type Resolved } from './references.ts'
import type { ConfigSource } from './source.ts'

export interface LoadedConfig {
  readonly document: ConfigDocument
  readonly resolved: Resolved
  /** Validated sections by key; undefined for a section with findings. */
  readonly sections: Readonly<Record<string, unknown>>
  /** In order of their places. Empty for a sound configuration. */
  readonly findings: readonly PlacedFinding[]
}

/** The sections that the rooms declare, in order of rooms. */
export function sectionsOf(rooms: readonly Room[]): readonly ConfigSection[] {
  return rooms.flatMap((room) => room.config ?? [])
}

/** Reads and validates; never throws for what stands in the file. */
export function examineConfig(
  source: ConfigSource,
  declared: readonly ConfigSection[],
  environment: Environment,
): LoadedConfig {
  const document = parseConfig(source.file, source.text ?? '')
  const resolved = resolveReferences(document, environment)
  const findings: PlacedFinding[] = [...document.findings, ...resolved.findings]
  const sections: Record<string, unknown> = {}
  const all = resolved.value as Readonly<Record<string, unknown>>
  if (document.findings.length === 0) {
    findings.push(...unknownSections(document, all, declared))
    for (const section of declared) {
      const found = readSection({ section, document, resolved, into: sections })
      // What is wrong with a value that could not be resolved says nothing new.
      findings.push(...found.filter((one) => !resolved.findings.some((other) => isSamePlace(one, other))))
    }
    if (findings.length === 0) findings.push(...crossChecks(declared, document, sections))
  }
  return { document, resolved, sections, findings: findings.toSorted(byPlace) }
}

/** As examineConfig, but rejects with `config.invalid` where there are findings. */
export function loadConfig(
  source: ConfigSource,
  declared: readonly ConfigSection[],
  environment: Environment,
): LoadedConfig {
  const loaded = examineConfig(source, declared, environment)
  if (loaded.findings.length > 0) throw invalidConfig(loaded.findings)
  return loaded
}

/** The sections of an empty file. */
export function defaultSections(declared: readonly ConfigSection[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(declared.map((section) => [section.key, section.schema.parse(undefined)]))
}

function unknownSections(
  document: ConfigDocument,
  all: Readonly<Record<string, unknown>>,
  declared: readonly ConfigSection[],
): readonly PlacedFinding[] {
  const known = declared.map((section) => section.key)
  return Object.keys(all)
    .filter((key) => !known.includes(key))
    .map((key) => unknownKey(document, [key], known))
}

interface SectionReading {
  readonly section: ConfigSection
  readonly document: ConfigDocument
  readonly resolved: Resolved
  readonly into: Record<string, unknown>
}

function readSection({ section, document, resolved, into }: SectionReading): readonly PlacedFinding[] {
  const { key, schema } = section
  // `warehouses:` with nothing below it is null in YAML and means the same as leaving it out.
  const value = (resolved.value as Readonly<Record<string, unknown>>)[key] ?? undefined
  const examined: Examined = { document, key, schema, value }
  const result = schema.safeParse(value)
  const findings = [...unknownKeys(examined), ...openSecrets(examined, resolved)]
  if (!result.success) findings.push(...explainIssues(examined, result.error.issues))
  else into[key] = result.data
  return findings
}

/** Secrets that stand in the file themselves. */
function openSecrets(examined: Examined, resolved: Resolved): readonly PlacedFinding[] {
  const findings: PlacedFinding[] = []
  const visit = (schema: z.ZodType, value: unknown, path: Path): void => {
    const chosen = bare(chooseOption(schema, value)).schema
    if (configTypeOf(chosen)?.secret && typeof value === 'string' && !resolved.referred.has(JSON.stringify(path))) {
      const place = examined.document.placeOf(path)
      findings.push({
        place,
        message: `the secret "${String(path.at(-1))}" stands in the file in clear`,
        hint: 'write ${env:NAME} or ${file:PATH} instead',
      })
    }
    if (typeof value !== 'object' || value === null) return
    for (const [key, item] of Object.entries(value)) {
      const step = Array.isArray(value) ? Number(key) : key
      const child = childSchema(schema, value, step)
      if (child) visit(child, item, [...path, step])
    }
  }
  visit(examined.schema, examined.value, [examined.key])
  return findings
}

function crossChecks(
  declared: readonly ConfigSection[],
  document: ConfigDocument,
  sections: Readonly<Record<string, unknown>>,
): readonly PlacedFinding[] {
  return declared.flatMap((section) =>
    (section.check?.(sections[section.key], sections) ?? []).map((finding) => ({
      place: document.placeOf(finding.path),
      message: finding.message,
      hint: finding.hint,
    })),
  )
}

function isSamePlace(left: PlacedFinding, right: PlacedFinding): boolean {
  return left.place.line === right.place.line && left.place.column === right.place.column
}

function byPlace(left: PlacedFinding, right: PlacedFinding): number {
  return (left.place.line ?? 0) - (right.place.line ?? 0) || (left.place.column ?? 0) - (right.place.column ?? 0)
}
