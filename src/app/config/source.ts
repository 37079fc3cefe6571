// Which wharf.yaml is meant, and its text.
import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

import type { Environment } from '../../base/environment.ts'
import { codeOf, messageOf } from '../../base/errors.ts'
import { configErrors } from './findings.ts'

export interface ConfigSource {
  /** Absolute, whether it exists or not: where `wharf warehouse add` writes. */
  readonly file: string
  /** Undefined where no file exists: everything has its default. */
  readonly text: string | undefined
}

export interface ConfigSearch {
  readonly environment: Environment
  /** Folder that relative paths are relative to. */
  readonly folder: string
  readonly home: string
  /** `--config FILE`. */
  readonly option: string | undefined
}

/** Finds wharf.yaml: `--config`, WHARF_CONFIG, ./wharf.yaml, <home>/wharf.yaml. A file that was named must exist. */
export async function findConfig(search: ConfigSearch): Promise<ConfigSource> {
  const variable = search.environment.variables['WHARF_CONFIG']
  if (search.option !== undefined) return named(search, search.option, '--config')
  if (variable !== undefined && variable !== '') return named(search, variable, 'WHARF_CONFIG')
  const candidates = [join(search.folder, 'wharf.yaml'), join(search.home, 'wharf.yaml')]
  for (const file of candidates) {
    if (await exists(file)) return { file, text: await read(file) }
  }
  return { file: candidates[1]!, text: undefined }
}

/** The file of a context: may only be missing where it is the default one in the home folder. */
export async function readConfigAt(file: string, home: string): Promise<ConfigSource> {
  if (await exists(file)) return { file, text: await read(file) }
  if (file !== join(home, 'wharf.yaml')) throw configErrors.notThere({ file, from: '--config or WHARF_CONFIG' })
  return { file, text: undefined }
}

async function named(search: ConfigSearch, path: string, from: string): Promise<ConfigSource> {
  const file = resolve(search.folder, path.replace(/^~(?=\/|$)/, homedir()))
  if (!(await exists(file))) throw configErrors.notThere({ file, from })
  return { file, text: await read(file) }
}

/** Rejects with `config.unreadable` where that cannot be told. */
export async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false
    throw unreadable(file, error)
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw unreadable(file, error)
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
}

function unreadable(file: string, error: unknown): Error {
  return configErrors.unreadable({ file, reason: reasons[codeOf(error) ?? ''] ?? messageOf(error) }, { cause: error })
}
