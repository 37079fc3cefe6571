// Which drills have begun and not ended: a file each below `drills/running`, written before a drill does anything, with its evidence as far as it is known. It goes when the
// evidence is kept; of a process that died it stays, and the next drill makes evidence of it.
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import { identityOf, isAlive } from '../../base/process-identity.ts'
import { drillsFolder } from './archive.ts'
import type { Evidence } from './evidence.ts'
import { evidenceSchema } from './shapes.ts'

/** Evidence that is not kept yet. */
export type KnownEvidence = Omit<Evidence, 'number' | 'previous'>

interface Mark {
  readonly drill: string
  readonly folder: string
  readonly process: string
  readonly host: string
  /** Whether the folder stays when the drill has ended. */
  readonly keep?: boolean
  /** Left out by older versions. */
  readonly known?: KnownEvidence
}

export type MarkWish = Pick<Mark, 'drill' | 'folder' | 'host'> & { readonly keep: boolean }

function marksFolder(home: string): string {
  return join(drillsFolder(home), 'running')
}

/** Replaces the one that the drill has. */
export async function writeMark(home: string, wish: MarkWish, known: KnownEvidence): Promise<void> {
  const content: Mark = { ...wish, process: identityOf(process.pid), known }
  await writeFileDurably(join(marksFolder(home), `${wish.drill}.json`), `${JSON.stringify(content)}\n`)
}

export async function removeMark(home: string, drill: string): Promise<void> {
  await rm(join(marksFolder(home), `${drill}.json`), { force: true })
}

interface FoundMark extends Mark {
  readonly file: string
}

/** `<drill>.json`, or `<drill>.<pid>.<start>.json` while that process clears up after it. */
const fileName = /^([^.]+)(?:\.(\d+)\.(\d+|-))?\.json$/

async function readMarks(home: string): Promise<readonly FoundMark[]> {
  const folder = marksFolder(home)
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  const found: FoundMark[] = []
  for (const name of names) {
    if (!fileName.test(name)) continue
    const file = join(folder, name)
    const mark = await readFile(file, 'utf8').then(
      (text) => JSON.parse(text) as Mark | null,
      () => undefined,
    )
    if (typeof mark?.process !== 'string' || typeof mark.folder !== 'string') continue
    const { known, ...rest } = mark
    found.push({ ...rest, file, ...readable(known) })
  }
  return found
}

/** It is no sealed document: what does not look like one counts for nothing. */
function readable(known: KnownEvidence | undefined): { known?: KnownEvidence } {
  const parsed = evidenceSchema.safeParse({ ...known, number: 0, previous: '' }).data
  if (parsed === undefined) return {}
  const { number: _, previous: __, ...rest } = parsed
  return { known: rest }
}

/** Whether a process works on the file: the drill itself, or one that clears up after it. */
function isHeld(mark: FoundMark): boolean {
  const by = fileName.exec(mark.file.split('/').at(-1)!)!
  return isAlive(by[2] === undefined ? mark.process : `${by[2]} ${by[3]}`)
}

export interface DeadDrill {
  readonly drill: string
  readonly folder: string
  readonly keep: boolean
  readonly known: KnownEvidence | undefined
  /** Everything of it is done. */
  forget(): Promise<void>
  /** It could not be done: somebody else may try. */
  release(): Promise<void>
}

/** Drills of this host whose process is gone. Each is given to one process alone, until it dies too. */
export async function takeDead(home: string, host: string): Promise<readonly DeadDrill[]> {
  const own = identityOf(process.pid).replace(' ', '.')
  const taken: DeadDrill[] = []
  for (const mark of await readMarks(home)) {
    const [, drill] = fileName.exec(mark.file.split('/').at(-1)!)!
    if (mark.host !== host || mark.drill !== drill || isHeld(mark)) continue
    const file = join(marksFolder(home), `${drill}.${own}.json`)
    try {
      await rename(mark.file, file)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') continue
      throw error
    }
    const { folder, keep, known } = mark
    taken.push({
      drill,
      folder,
      keep: keep === true,
      known,
      forget: () => rm(file, { force: true }),
      release: () => rename(file, join(marksFolder(home), `${drill}.json`)),
    })
  }
  return taken
}

export interface UnendedDrill {
  readonly id: string
  readonly warehouse: string
  readonly tier: string
  readonly startedAt: string
  readonly backup: string | null
  /** `elsewhere`: it was begun on another host, and only that one can tell. */
  readonly state: 'running' | 'interrupted' | 'elsewhere'
}

/** Without those whose evidence is kept, the ids of which are `kept`. */
export async function unendedDrills(
  home: string,
  host: string,
  kept: ReadonlySet<string>,
): Promise<readonly UnendedDrill[]> {
  return (await readMarks(home)).flatMap(({ known, ...mark }): readonly UnendedDrill[] => {
    if (known === undefined || kept.has(known.id)) return []
    const { id, warehouse, tier, startedAt, backup } = known
    const state = mark.host !== host ? 'elsewhere' : isAlive(mark.process) ? 'running' : 'interrupted'
    return [{ id, warehouse, tier, startedAt, backup, state }]
  })
}
