// Says zod's issues the way this program speaks, with the place in the file and the nearest valid key or word.
import type { z } from 'zod'

import { sayChoice, sayIssue, showValue, type Issue, type Said } from '../../base/issues.ts'
import { suggestion } from '../../base/nearest.ts'
import { childSchema, choicesOf, chooseOption, fieldsOf } from '../../base/schema.ts'
import type { ConfigDocument, Path } from './document.ts'
import type { PlacedFinding } from './findings.ts'

/** What a finding is made from: the whole section, its schema and value. */
export interface Examined {
  readonly document: ConfigDocument
  readonly key: string
  readonly schema: z.ZodType
  readonly value: unknown
}

/** Findings for the issues of one section. Unknown keys are left to unknownKeys(), which sees them in lenient schemas too. */
export function explainIssues(examined: Examined, issues: readonly Issue[]): readonly PlacedFinding[] {
  return issues.flatMap((issue) => explainIssue(examined, issue))
}

function explainIssue(examined: Examined, issue: Issue): readonly PlacedFinding[] {
  const inner = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  const path = [examined.key, ...inner]
  if (issue.code === 'unrecognized_keys') return []
  if (issue.code === 'invalid_union') return explainUnion(examined, issue, inner)
  const value = valueAt(examined.value, inner)
  if (value === undefined) return [missing(examined, inner)]
  const said = sayIssue(issue, value)
  const message = said.alone ? said.message : `"${String(path.at(-1))}" ${said.message}`
  const place = issue.code === 'invalid_key' ? examined.document.placeOfKey(path) : examined.document.placeOf(path)
  return [{ place, message, hint: said.hint }]
}

/** The value decides which option was meant; the issues of that option are what helps. */
function explainUnion(
  examined: Examined,
  issue: Issue & { code: 'invalid_union' },
  inner: Path,
): readonly PlacedFinding[] {
  const path = [examined.key, ...inner]
  const value = valueAt(examined.value, inner)
  const options = (issue as { options?: readonly unknown[] }).options
  if (value === undefined) return [missing(examined, inner)]
  if (options) return [choice(examined, path, sayChoice(value, options.map(String)))]
  const schema = schemaAt(examined, inner)
  const choices = schema && choicesOf(schema)
  if (choices) return [choice(examined, path, sayChoice(value, choices))]
  const meant = schema && chooseOption(schema, value).safeParse(value)
  if (
    meant &&
    !meant.success &&
    meant.error.issues.every((one) => one.code !== 'invalid_union' || one.path.length > 0)
  ) {
    const below = meant.error.issues.map((one) => ({ ...one, path: [...inner, ...one.path] }))
    const found = explainIssues(examined, below)
    if (found.length > 0 || meant.error.issues.some((one) => one.code === 'unrecognized_keys')) return found
  }
  return [
    {
      place: examined.document.placeOf(path),
      message: `"${String(path.at(-1))}" has a value of a kind that is not allowed: ${showValue(value)}`,
    },
  ]
}

function choice(examined: Examined, path: Path, said: Said): PlacedFinding {
  return { place: examined.document.placeOf(path), message: said.message, hint: said.hint }
}

function missing(examined: Examined, inner: Path): PlacedFinding {
  const path = [examined.key, ...inner]
  const where = path.slice(0, -1).join('.')
  const description = schemaAt(examined, inner)?.description
  return {
    place: examined.document.placeOfKey(path.slice(0, -1)),
    message: where === '' ? `"${String(path.at(-1))}" is missing` : `"${String(path.at(-1))}" is missing in ${where}`,
    hint: description,
  }
}

/** Keys that the schema does not know, at any depth. */
export function unknownKeys(examined: Examined): readonly PlacedFinding[] {
  const findings: PlacedFinding[] = []
  const visit = (schema: z.ZodType, value: unknown, path: Path): void => {
    if (typeof value !== 'object' || value === null) return
    const fields = fieldsOf(chooseOption(schema, value))
    for (const [key, item] of Object.entries(value)) {
      const step = Array.isArray(value) ? Number(key) : key
      const child = childSchema(schema, value, step)
      if (child) visit(child, item, [...path, step])
      else if (fields) findings.push(unknownKey(examined.document, [...path, key], Object.keys(fields)))
    }
  }
  visit(examined.schema, examined.value, [examined.key])
  return findings
}

/** `unknown key "x" in a.b`, at the key, with the nearest known one. */
export function unknownKey(document: ConfigDocument, path: Path, known: readonly string[]): PlacedFinding {
  const name = String(path.at(-1))
  const where = path.length > 1 ? ` in ${path.slice(0, -1).join('.')}` : ''
  return { place: document.placeOfKey(path), message: `unknown key "${name}"${where}`, hint: suggestion(name, known) }
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value
  for (const step of path) current = (current as Record<string | number, unknown> | null | undefined)?.[step]
  return current
}

function schemaAt(examined: Examined, path: Path): z.ZodType | undefined {
  let schema: z.ZodType | undefined = examined.schema
  let value = examined.value
  for (const step of path) {
    schema = schema && childSchema(schema, value, step)
    value = valueAt(value, [step])
  }
  return schema
}
