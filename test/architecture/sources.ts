// The project's sources as the architecture test sees them.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Import {
  /** Path of the imported file from the root of the project; undefined for packages and node's modules. */
  readonly target: string | undefined
  readonly specifier: string
  /** Erased at run time: `import type`, `export type`. */
  readonly isType: boolean
}

export interface Source {
  /** From the root of the project, with forward slashes. */
  readonly path: string
  readonly text: string
  /** Without comments, and with texts emptied: for looking for calls. */
  readonly code: string
  readonly imports: readonly Import[]
}

const SKIPPED = new Set(['node_modules', 'dist', '.git', 'results'])

/** All files below `folder`, from the root of the project. */
export function filesIn(folder: string): readonly string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  return entries
    .filter((entry) => !SKIPPED.has(entry.name))
    .flatMap((entry) => (entry.isDirectory() ? filesIn(join(folder, entry.name)) : [join(folder, entry.name)]))
}

export function readSources(folders: readonly string[]): readonly Source[] {
  const paths = folders.flatMap((folder) => filesIn(folder)).filter((path) => /\.tsx?$/.test(path))
  return paths.map((path) => sourceOf(path, readFileSync(join(root, path), 'utf8')))
}

/** Exported for the test of the test. */
export function sourceOf(path: string, text: string): Source {
  return { path, text, code: blank(text, true), imports: importsOf(path, blank(text, false)) }
}

const STATEMENT = /^[ \t]*(import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\sfrom\s*)?['"]([^'"]+)['"]/gm
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g

function importsOf(path: string, text: string): readonly Import[] {
  const statements = [...text.matchAll(STATEMENT)].map((match) => ({
    specifier: match[3]!,
    isType: match[2] !== undefined,
  }))
  const dynamic = [...text.matchAll(DYNAMIC)].map((match) => ({ specifier: match[1]!, isType: false }))
  return [...statements, ...dynamic].map(({ specifier, isType }) => ({
    specifier,
    isType,
    target: specifier.startsWith('.') ? relative(root, normalize(join(root, dirname(path), specifier))) : undefined,
  }))
}

const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g

/** Comments away; with `texts` the contents of texts as well. Templates keep what stands in `${…}`. */
function blank(source: string, texts: boolean): string {
  return source.replaceAll(TOKEN, (token) => {
    if (token.startsWith('//') || token.startsWith('/*')) return token.replaceAll(/[^\n]/g, ' ')
    if (!texts) return token
    if (token.startsWith('`')) return [...token.matchAll(/\$\{([^}]*)\}/g)].map((match) => match[1]).join(' ; ')
    return "''"
  })
}
