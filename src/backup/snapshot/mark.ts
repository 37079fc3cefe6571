// That a snapshot exists is written down before it is taken, so that it is released whatever becomes of us: `snapshots/<id>.json` in the home folder.
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import { codeOf } from '../../base/errors.ts'
import { writeFileDurably } from '../../base/durable.ts'
import { identityOf, isAlive } from '../../base/process-identity.ts'

const markSchema = z.strictObject({
  id: z.string(),
  warehouse: z.string(),
  /** With its placeholders filled in: what releases it, whatever the configuration says by then. */
  release: z.array(z.string()).min(1),
  variables: z.record(z.string(), z.string()),
  timeoutMs: z.number(),
  /** Of the process that works with it: see base/process-identity.ts. */
  process: z.string(),
})
export type SnapshotMark = z.infer<typeof markSchema>

/** Taken by this process and not released yet. */
const ours = new Set<string>()

const folderOf = (home: string): string => join(home, 'snapshots')
const pathOf = (home: string, id: string): string => join(folderOf(home), `${id}.json`)

export async function putMark(home: string, mark: Omit<SnapshotMark, 'process'>): Promise<SnapshotMark> {
  const whole = { ...mark, process: identityOf(process.pid) }
  ours.add(mark.id)
  await writeFileDurably(pathOf(home, mark.id), JSON.stringify(whole))
  return whole
}

export async function removeMark(home: string, id: string): Promise<void> {
  await rm(pathOf(home, id), { force: true })
  ours.delete(id)
}

/** It was given up: whoever looks next may release it, also in this process. */
export function abandonMark(id: string): void {
  ours.delete(id)
}

/** Marks of snapshots that nobody works with any more. One that cannot be read is passed over. */
export async function leftovers(home: string, warehouse?: string): Promise<readonly SnapshotMark[]> {
  const names = await readdir(folderOf(home)).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  const found: SnapshotMark[] = []
  for (const name of names) {
    if (name.startsWith('.') || !name.endsWith('.json')) continue
    const mark = await readMark(join(folderOf(home), name))
    if (mark === undefined || (warehouse !== undefined && mark.warehouse !== warehouse)) continue
    const isHeld = mark.process === identityOf(process.pid) ? ours.has(mark.id) : isAlive(mark.process)
    if (!isHeld) found.push(mark)
  }
  return found
}

async function readMark(path: string): Promise<SnapshotMark | undefined> {
  try {
    return markSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return undefined
  }
}
