// The folder of a drill: made for it alone, and gone when it has ended. What a killed drill left is found and removed by the next one.
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { endServer } from '../../warehouse/servers.ts'
import { drillsFolder } from './archive.ts'
import { removeMark, takeDead, writeMark, type KnownEvidence } from './marks.ts'

export interface SandboxFolder {
  /** Missing or empty. */
  readonly path: string
  /** What evidence would say by now, should this process die. */
  note(known: KnownEvidence): Promise<void>
  /** Stops what runs there and removes it. */
  remove(): Promise<void>
  /** The drill has ended, and its evidence is kept; the folder stays if it is still there. */
  forget(): Promise<void>
}

export interface SandboxWish {
  readonly home: string
  readonly host: string
  readonly parent: string | undefined
  readonly drill: string
  /** Whether the folder stays. */
  readonly keep: boolean
  readonly known: KnownEvidence
  readonly clock: Clock
  /** Told of each drill that died before; resolves to whether its evidence had been kept by itself. */
  readonly died: (known: KnownEvidence) => Promise<boolean>
}

export async function sandboxFolder(wish: SandboxWish): Promise<SandboxFolder> {
  const { home, host, drill, keep, known, clock } = wish
  await clearUp(wish)
  const parent = wish.parent === undefined ? join(drillsFolder(home), 'sandboxes') : resolve(wish.parent)
  await mkdir(parent, { recursive: true, mode: 0o755 })
  const path = join(parent, drill)
  const mark = { drill, folder: path, host, keep }
  // Before the folder exists: a crash in between leaves nothing that nobody knows of.
  await writeMark(home, mark, known)
  return {
    path,
    note: (more) => writeMark(home, mark, more),
    remove: () => removeSandbox(path, clock),
    forget: () => removeMark(home, drill),
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

async function clearUp({ home, host, clock, died }: SandboxWish): Promise<void> {
  const waiting = [...(await takeDead(home, host))]
  try {
    for (let dead = waiting[0]; dead; dead = waiting[0]) {
      const hadEnded = dead.known !== undefined && (await died(dead.known))
      // The last part of the path is the drill's own id: nothing else is ever removed.
      const isOwn = dead.folder.endsWith(`/${dead.drill}`)
      if (isOwn && !(hadEnded && dead.keep)) await removeSandbox(dead.folder, clock)
      await dead.forget()
      waiting.shift()
    }
  } finally {
    for (const dead of waiting) await dead.release()
  }
}
