// Which files a source has, in the order in which they are loaded: by business date, then by name.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import { errors } from '../errors.ts'
import type { Pattern } from './pattern.ts'

export interface FoundFile {
  /** Path within the folder, with `/`: the identity of the file in the ledger. */
  readonly name: string
  readonly path: string
  readonly businessDate: string | undefined
  readonly bytes: number
  readonly modifiedMs: number
}

/** Names that start with a dot are never taken: writers use them for files that are not whole. */
export async function findFiles(folder: string, pattern: Pattern): Promise<readonly FoundFile[]> {
  const found: FoundFile[] = []
  await visit('', pattern.depth)
  return found.sort(byDateThenName)

  async function visit(within: string, depth: number): Promise<void> {
    for (const entry of await entriesOf(join(folder, within))) {
      if (entry.name.startsWith('.')) continue
      const name = within === '' ? entry.name : `${within}/${entry.name}`
      if (depth > 0) {
        if (entry.isDirectory()) await visit(name, depth - 1)
        continue
      }
      const match = entry.isDirectory() ? undefined : pattern.match(name)
      if (!match) continue
      const path = join(folder, name)
      const about = await stat(path)
      if (about.isFile())
        found.push({
          name,
          path,
          businessDate: match.businessDate,
          bytes: about.size,
          modifiedMs: Math.trunc(about.mtimeMs),
        })
    }
  }
}

async function entriesOf(folder: string): Promise<readonly { name: string; isDirectory(): boolean }[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') throw errors.noFolder(folder, { cause: error })
    if (codeOf(error) === 'EACCES')
      throw errors.unreadable({ file: folder, reason: 'permission denied' }, { cause: error })
    throw error
  }
}

function byDateThenName(a: FoundFile, b: FoundFile): number {
  const left = `${a.businessDate ?? ''}\0${a.name}`
  const right = `${b.businessDate ?? ''}\0${b.name}`
  return left < right ? -1 : left > right ? 1 : 0
}
