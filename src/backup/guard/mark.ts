// That receiving is given up is written down in the home folder: other processes of this host, and the next `wharf up`, must not make the slot again.
import { mkdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'

export interface GivenUp {
  readonly sinceMs: number
  /** End of what is kept: the hole begins here. */
  readonly fromLsn: string | undefined
  readonly waitMs: number
}

function markFile(home: string, warehouse: string): string {
  return join(home, 'wal-guard', `${warehouse}.json`)
}

export function readMark(home: string, warehouse: string): GivenUp | undefined {
  try {
    return JSON.parse(readFileSync(markFile(home, warehouse), 'utf8')) as GivenUp
  } catch {
    return undefined
  }
}

export async function writeMark(home: string, warehouse: string, mark: GivenUp): Promise<void> {
  const file = markFile(home, warehouse)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  await writeFileDurably(file, JSON.stringify(mark))
}

export async function removeMark(home: string, warehouse: string): Promise<void> {
  await rm(markFile(home, warehouse), { force: true })
}
