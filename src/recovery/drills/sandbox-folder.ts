// The folder of a drill: made for it alone, and gone when it has ended. What a killed drill left is found and removed by the next one.
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { writeFileDurably } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import { identityOf, isAlive } from '../../base/process-identity.ts'
import { endServer } from '../../warehouse/servers.ts'
import { drillsFolder } from './archive.ts'

interface Mark {
  readonly drill: string
  readonly folder: string
  readonly process: string
  readonly host: string
}

function marksFolder(home: string): string {
  return join(drillsFolder(home), 'running')
}

export interface SandboxFolder {
  /** Missing or empty. */
  readonly path: string
  /** Stops what runs there and removes it. */
  remove(): Promise<void>
  /** It stays, and nobody removes it later. */
  keep(): Promise<void>
}

export async function sandboxFolder(parts: {
  home: string
  host: string
  parent: string | undefined
  drill: string
  clock: Clock
}): Promise<SandboxFolder> {
  const { home, host, drill, clock } = parts
  await removeLeftovers(parts)
  const parent = parts.parent === undefined ? join(drillsFolder(home), 'sandboxes') : resolve(parts.parent)
  await mkdir(parent, { recursive: true, mode: 0o755 })
  const path = join(parent, drill)
  const mark = join(marksFolder(home), `${drill}.json`)
  // Before the folder exists: a crash in between leaves nothing that nobody knows of.
  const content: Mark = { drill, folder: path, process: identityOf(process.pid), host }
  await writeFileDurably(mark, `${JSON.stringify(content)}\n`)
  return {
    path,
    remove: async () => {
      await removeSandbox(path, clock)
      await rm(mark, { force: true })
    },
    keep: async () => await rm(mark, { force: true }),
  }
}

async function removeSandbox(path: string, clock: Clock): Promise<void> {
  // A server that nobody watches must not run on, also after a cancellation.
  await endServer({ dataDirectory: path, mode: 'immediate', clock, signal: new AbortController().signal }).catch(
    () => {},
  )
  await rm(path, { recursive: true, force: true, maxRetries: 3 })
  // Where only a tier was recovered the log lies beside.
  await rm(`${path}.log`, { force: true })
}

/** Of drills of this host whose process is gone. */
async function removeLeftovers({ home, host, clock }: { home: string; host: string; clock: Clock }): Promise<void> {
  const folder = marksFolder(home)
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  for (const name of names.filter((one) => one.endsWith('.json'))) {
    const file = join(folder, name)
    const mark = await readFile(file, 'utf8').then(
      (text) => JSON.parse(text) as Mark,
      () => undefined,
    )
    if (!mark || mark.host !== host || isAlive(mark.process)) continue
    // The last part of the path is the drill's own id: nothing else is ever removed.
    if (mark.folder.endsWith(`/${mark.drill}`) && name === `${mark.drill}.json`) await removeSandbox(mark.folder, clock)
    await rm(file, { force: true })
  }
}
