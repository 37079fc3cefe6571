// Where the demo keeps its things, and how to tell that a home is the demo's.
import { access } from 'node:fs/promises'
import { join } from 'node:path'

import type { Context } from '../../base/room.ts'

export const demoWarehouse = 'retail'

export interface DemoLayout {
  readonly folder: string
  readonly feed: string
  /** Its presence says: the warehouse was filled. */
  readonly readyFile: string
  /** What the disaster left for the recovery to prove. */
  readonly disasterFile: string
}

export function demoLayout(home: string): DemoLayout {
  const folder = join(home, 'demo')
  return {
    folder,
    feed: join(folder, 'feed'),
    readyFile: join(folder, 'ready'),
    disasterFile: join(folder, 'disaster.json'),
  }
}

/** Files that ship with the program, by name. */
export function demoFile(name: string): URL {
  return new URL(`./files/${name}`, import.meta.url)
}

/** Whether this home was set up as the demo. */
export async function isDemo(context: Pick<Context, 'home'>): Promise<boolean> {
  return await fileExists(demoLayout(context.home).folder)
}

export async function fileExists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
