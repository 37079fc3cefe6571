// Space that a restore needs and what is free, by file system.
import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import type { Manifest } from '../../repository/contract.ts'
import { isWithin, placeOf, type Layout } from '../restore/layout.ts'
import { targetFolders } from '../restore/target-folder.ts'

export interface SpaceNeed {
  /** The folders that share this file system. */
  readonly folders: readonly string[]
  readonly neededBytes: number
  readonly freeBytes: number
}

/** `walBytes` come on top in the data directory: segments that replay keeps until its next restartpoint, or all of them where they are staged. */
export async function spaceNeeds(layout: Layout, manifest: Manifest, walBytes: number): Promise<readonly SpaceNeed[]> {
  const folders = targetFolders(layout)
  const needed = new Map(folders.map((folder) => [folder, 0]))
  needed.set(layout.root, walBytes)
  for (const file of manifest.files) {
    const path = placeOf(layout, file.path)
    const folder = folders.findLast((one) => isWithin(path, one)) ?? layout.root
    needed.set(folder, (needed.get(folder) ?? 0) + file.bytes)
  }
  const devices = new Map<number, { folders: string[]; neededBytes: number; freeBytes: number }>()
  for (const [folder, bytes] of needed) {
    const existing = await nearest(folder)
    const { dev } = await stat(existing)
    const known = devices.get(dev) ?? { folders: [], neededBytes: 0, freeBytes: await freeOf(existing) }
    known.folders.push(folder)
    known.neededBytes += bytes
    devices.set(dev, known)
  }
  return [...devices.values()]
}

async function freeOf(folder: string): Promise<number> {
  const about = await statfs(folder)
  return about.bavail * about.bsize
}

async function nearest(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      await stat(folder)
      return folder
    } catch (error) {
      if ((codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') || folder === dirname(folder)) throw error
    }
  }
}
