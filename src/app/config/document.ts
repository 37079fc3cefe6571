// wharf.yaml as parsed YAML with the place of everything in it.
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml'

import type { Place } from '../../base/errors.ts'
import type { PlacedFinding } from './findings.ts'

export type Path = readonly (string | number)[]

export interface ConfigDocument {
  readonly file: string
  readonly findings: readonly PlacedFinding[]
  /** The document as plain values, references not resolved; `{}` for an empty or missing file. */
  readonly value: unknown
  /** Where the value at `path` stands; the nearest enclosing thing where there is none. */
  placeOf(path: Path): Place
  /** Where the key of the last step of `path` stands. */
  placeOfKey(path: Path): Place
  has(path: Path): boolean
}

/** Parses `text`. Syntax errors, duplicate keys and a document that is no mapping become findings. */
export function parseConfig(file: string, text: string): ConfigDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    strict: true,
    stringKeys: true,
  })
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const findings: PlacedFinding[] = [...document.errors, ...document.warnings].map((error) => ({
    place: at(error.pos[0]),
    message: yamlMessage(error.message),
  }))
  const value = findings.length === 0 ? plain(document, findings, at) : {}
  return {
    file,
    findings,
    value,
    placeOf: (path) => at(offsetOf(document, path, 'value')),
    placeOfKey: (path) => at(offsetOf(document, path, 'key')),
    has: (path) => document.hasIn(path),
  }
}

function plain(document: Document.Parsed, findings: PlacedFinding[], at: (offset: number) => Place): unknown {
  if (document.contents === null) return {}
  if (!isMap(document.contents)) {
    findings.push({
      place: at(document.contents.range[0]),
      message: 'the configuration must be a mapping of keys to values',
    })
    return {}
  }
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown
  } catch {
    findings.push({ place: at(0), message: 'too many aliases in the YAML' })
    return {}
  }
}

/** YAML's own messages start upper case and may end with a stop or show source lines. */
function yamlMessage(message: string): string {
  const [first = ''] = message.split('\n')
  const text = first.replace(/[.:]$/, '')
  return `not valid YAML: ${text.charAt(0).toLowerCase()}${text.slice(1)}`
}

function offsetOf(document: Document.Parsed, path: Path, want: 'key' | 'value'): number {
  let node: unknown = document.contents
  let offset = document.contents?.range[0] ?? 0
  for (const [depth, step] of path.entries()) {
    const next = stepInto(node, step)
    if (next === undefined) return offset
    const wantsKey = want === 'key' && depth === path.length - 1
    offset = (wantsKey ? next.keyOffset : undefined) ?? rangeStart(next.value) ?? next.keyOffset ?? offset
    node = next.value
  }
  return offset
}

function stepInto(node: unknown, step: string | number): { value: unknown; keyOffset: number | undefined } | undefined {
  if (isSeq(node)) {
    const value = node.items[Number(step)]
    return value === undefined ? undefined : { value, keyOffset: undefined }
  }
  if (!isMap(node)) return undefined
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step))
  return pair && { value: pair.value, keyOffset: rangeStart(pair.key) }
}

function rangeStart(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0]
}
