// That a snapshot exists is written down before it is taken, so that it is released whatever becomes of us: `snapshots/<id>.json` in the home folder.
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import { codeOf } from '../../base/errors.ts'
import { writeFileDurably } from '../../base/durable.ts'

const markSchema = z.strictObject({
  id: z.string(),
  warehouse: z.string(),
  /** With its placeholders filled in: what releases it, whatever the configuration says by then. */
  release: z.array(z.string()).min(1),
  variables: z.record(z.string(), z.string()),
  timeoutMs: z.number(),
  pid: z.number(),
  /** When that process started, in the kernel's ticks; empty where the kernel does not tell. */
  processStart: z.string(),
})
export type SnapshotMark = z.infer<typeof markSchema>

/** Taken by this process and not released yet. */
const ours = new Set<string>()

const folderOf = (home: string): string => join(home, 'snapshots')
const pathOf = (home: string, id: string): string => join(folderOf(home), `${id}.json`)

export async function putMark(home: string, mark: Omit<SnapshotMark, 'pid' | 'processStart'>): Promise<SnapshotMark> {
  const whole = { ...mark, pid: process.pid, processStart: (await startOf(process.pid)) ?? '' }
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
    if (!ours.has(mark.id) && !(await isAlive(mark))) found.push(mark)
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

async function isAlive({ pid, processStart }: SnapshotMark): Promise<boolean> {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  const start = await startOf(pid)
  return start === undefined || start === processStart
}

/** Field 22 of /proc/<pid>/stat: a number that another process of the same id does not share. Undefined where there is none. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The name in parentheses may hold spaces and parentheses: fields are counted from behind the last one, which is followed by field 3.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}
