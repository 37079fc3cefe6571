// Folders and links of a restored data directory, and making their entries durable.
import { chmod, chown, lchown, mkdir, readlink, rm, symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { syncFolder } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import type { Manifest } from '../../repository/contract.ts'
import { foldersOf, type Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import { targetFolders } from './target-folder.ts'
import { writeError } from './write-error.ts'

/** Makes all folders with their modes, parents first, and `pg_tblspc/<oid>` links; those that are there stay. Returns them for syncFolders(). */
export async function makeFolders(
  layout: Layout,
  manifest: Manifest,
  owner: Owner | undefined,
): Promise<readonly string[]> {
  const folders = foldersOf(layout, manifest)
  for (const [path, mode] of folders) {
    try {
      await mkdir(path, { mode })
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw writeError(error, path)
    }
    await chmod(path, mode)
    if (owner) await chown(path, owner.uid, owner.gid)
  }
  for (const space of layout.tablespaces) {
    if (space.target.kind !== 'link') continue
    const link = join(layout.root, 'pg_tblspc', String(space.oid))
    const there = await readlink(link).catch(() => undefined)
    if (there !== undefined && resolve(dirname(link), there) === space.target.path) continue
    await rm(link, { recursive: true, force: true })
    await symlink(space.target.path, link)
    if (owner) await lchown(link, owner.uid, owner.gid)
  }
  return [...folders.keys()]
}

/** fsyncs all folders but `global`, whose turn comes with pg_control; then the targets themselves and where they were made. */
export async function syncFolders(layout: Layout, folders: readonly string[], signal: AbortSignal): Promise<void> {
  const global = join(layout.root, 'global')
  for (const folder of folders.toReversed()) {
    signal.throwIfAborted()
    if (folder !== global) await syncFolder(folder)
  }
  for (const target of targetFolders(layout).toReversed()) {
    await syncFolder(target)
    await syncFolder(dirname(target))
  }
}
