// ${env:NAME} and ${file:PATH} inside strings of wharf.yaml. Resolved after parsing, so a value can never become structure.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

import type { Environment } from '../../base/environment.ts'
import { codeOf, messageOf } from '../../base/errors.ts'
import { nearest } from '../../base/nearest.ts'
import type { ConfigDocument, Path } from './document.ts'
import type { PlacedFinding } from './findings.ts'

export interface Resolved {
  readonly value: unknown
  readonly findings: readonly PlacedFinding[]
  /** Paths (as JSON) of the strings that held a reference, with what they looked like in the file. */
  readonly referred: ReadonlyMap<string, string>
}

/** `$${` stands for a literal `${`. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g

/** Replaces references in all strings of the document. Files are relative to the folder of wharf.yaml; one trailing line end is dropped. */
export function resolveReferences(document: ConfigDocument, environment: Environment): Resolved {
  const findings: PlacedFinding[] = []
  const referred = new Map<string, string>()
  const folder = dirname(document.file)
  const visit = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') return text(value, path)
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]))
    if (typeof value !== 'object' || value === null || value instanceof Date) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, [...path, key])]))
  }
  const text = (value: string, path: Path): string => {
    if (!value.includes('${')) return value
    return value.replaceAll(REFERENCE, (whole, inside: string | undefined, close: string) => {
      if (inside === undefined) return '${'
      const found =
        close === '}' ? lookUp(inside, folder, environment) : { message: 'a reference is not closed: "}" is missing' }
      if ('text' in found) {
        referred.set(JSON.stringify(path), value)
        return found.text
      }
      findings.push({ place: document.placeOf(path), ...found })
      return whole
    })
  }
  return { value: visit(document.value, []), findings, referred }
}

type Found = { readonly text: string } | { readonly message: string; readonly hint?: string }

function lookUp(inside: string, folder: string, environment: Environment): Found {
  const colon = inside.indexOf(':')
  const kind = inside.slice(0, colon)
  const name = inside.slice(colon + 1)
  if (colon > 0 && kind === 'env') return fromEnvironment(name, environment)
  if (colon > 0 && kind === 'file') return fromFile(name, folder)
  return {
    message: `unknown reference "\${${inside}}"`,
    hint: 'only ${env:NAME} and ${file:PATH} are known; write $${ for a literal ${',
  }
}

function fromEnvironment(name: string, environment: Environment): Found {
  const value = environment.variables[name]
  if (value !== undefined) return { text: value }
  const near = nearest(name, Object.keys(environment.variables))
  return {
    message: `the environment variable ${name} is not set`,
    hint: near === undefined ? `set it for the user that runs wharf` : `did you mean ${near}?`,
  }
}

function fromFile(name: string, folder: string): Found {
  const file = resolve(folder, name)
  try {
    return { text: readFileSync(file, 'utf8').replace(/\r?\n$/, '') }
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT'
    const reason = missing ? 'it does not exist' : codeOf(error) === 'EACCES' ? 'permission denied' : messageOf(error)
    return {
      message: `cannot read the file ${file}: ${reason}`,
      hint: 'paths are relative to the folder of the configuration file',
    }
  }
}
