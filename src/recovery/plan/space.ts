// Space that a restore needs and what is free, by file system.
import { lstat, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import type { Manifest } from '../../repository/contract.ts'
import { targetPath } from '../restore/distribute.ts'
import { isWithin, type Layout } from '../restore/layout.ts'
import { targetFolders } from '../restore/target-folder.ts'

export interface SpaceNeed {
  /** The folders that share this file system. */
  readonly folders: readonly string[]
  readonly neededBytes: number
  readonly freeBytes: number
}

/**
 * `walBytes` come on top in the data directory: segments that replay keeps until its next restartpoint, or all of them where they are staged. With `over` the
 * disk that files take already is not needed again.
 */
export async function spaceNeeds(
  layout: Layout,
  manifest: Manifest,
  how: {
    readonly walBytes: number
    readonly over: boolean
    /** What lies there meanwhile, elsewhere: a sandbox for the critical tier. */
    readonly beside?: { readonly folder: string; readonly bytes: number } | undefined
  },
): Promise<readonly SpaceNeed[]> {
  const { walBytes, over, beside } = how
  const folders = targetFolders(layout)
  const needed = new Map(folders.map((folder) => [folder, 0]))
  needed.set(layout.root, walBytes)
  for (const file of manifest.files) {
    const path = targetPath(layout, file)
    const folder = folders.findLast((one) => isWithin(path, one)) ?? layout.root
    const taken = over ? Math.min(file.bytes, await diskOf(path)) : 0
    needed.set(folder, (needed.get(folder) ?? 0) + file.bytes - taken)
  }
  if (beside) needed.set(beside.folder, (needed.get(beside.folder) ?? 0) + beside.bytes)
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

async function diskOf(path: string): Promise<number> {
  const about = await lstat(path).catch(() => undefined)
  return about?.isFile() ? about.blocks * 512 : 0
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
