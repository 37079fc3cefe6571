// The folder that is restored into: it must be empty, or hold what an earlier, unfinished restore of ours left.
import { chmod, chown, lstat, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { syncFolder } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import { serverRuns } from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { Layout } from './layout.ts'
import { readMarker, type Marker } from './marker.ts'
import type { Owner } from './owner.ts'
import { refuseHeld, unfinishedIn } from './unfinished.ts'

/** All folders that the restore fills: the data directory first, then linked tablespaces. */
export function targetFolders(layout: Layout): readonly string[] {
  return [layout.root, ...layout.tablespaces.flatMap((one) => (one.target.kind === 'link' ? [one.target.path] : []))]
}

/**
 * Rejects unless every folder is missing or empty. With `resume` the data directory may hold an unfinished restore, whose marker is
 * returned; the tablespace folders that it names may then hold files too.
 */
export async function checkTargets(layout: Layout, options: { resume: boolean }): Promise<Marker | undefined> {
  const { root } = layout
  if (await serverRuns(root).catch(() => false))
    throw errors.targetInUse({ directory: root, what: 'a PostgreSQL server runs on it' })
  const entries = await entriesOf(root)
  const marker = entries.length === 0 ? undefined : await readMarker(root)
  const unfinished = await unfinishedIn(root, marker)
  if (unfinished) refuseHeld(root, unfinished)
  // Of a server of ours that was killed it says nothing more.
  if (entries.includes('postmaster.pid') && unfinished?.state !== 'replaying')
    throw errors.targetInUse({ directory: root, what: 'it holds postmaster.pid' })
  if (unfinished?.way === 'in-place') throw errors.halfDoneInPlace({ directory: root, startedAt: unfinished.startedAt })
  if (options.resume && !unfinished) throw errors.resumeNothing(root)
  if (entries.length > 0 && !unfinished) throw errors.targetNotEmpty({ directory: root, found: sample(entries) })
  if (unfinished && !options.resume)
    throw errors.targetHalfDone({ directory: root, backup: unfinished.backup, startedAt: unfinished.startedAt })
  for (const folder of targetFolders(layout).slice(1)) {
    const found = await entriesOf(folder)
    if (found.length > 0 && !unfinished?.tablespaces.includes(folder))
      throw errors.targetNotEmpty({ directory: folder, found: sample(found) })
  }
  return unfinished
}

function sample(entries: readonly string[]): string {
  const shown = entries.slice(0, 3).join(', ')
  return entries.length > 3 ? `${shown} and ${entries.length - 3} more` : shown
}

/** What a crash while the marker is written leaves: of no meaning, and removed before the folder is used. */
const markerTemporary = /^\.wharf-recovery\.json\.[0-9a-f]+\.tmp$/

async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => !markerTemporary.test(name)).sort()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    if (codeOf(error) === 'ENOTDIR') throw errors.targetNotEmpty({ directory: folder, found: 'it is a file' })
    throw error
  }
}

/** Empties the folders of tablespaces that an unfinished restore filled and that this one puts elsewhere. */
export async function clearOthers(layout: Layout, marker: Marker): Promise<void> {
  const wanted = targetFolders(layout)
  for (const folder of marker.tablespaces.filter((one) => !wanted.includes(one))) {
    const entries = await entriesOf(folder)
    for (const name of entries) await rm(join(folder, name), { recursive: true, force: true })
    if (entries.length > 0) await syncFolder(folder)
  }
}

/** Makes the folders with mode 0700 (as the caller's mode says), owned by the server's user. */
export async function makeTargets(
  layout: Layout,
  owner: Owner | undefined,
  how: { readonly rootMode: number; readonly over: boolean },
): Promise<void> {
  const { rootMode, over } = how
  for (const folder of targetFolders(layout)) {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    // Where a cluster lay before, its folders may be links to disks.
    const about = await (over ? stat : lstat)(folder)
    if (about.isSymbolicLink()) throw errors.targetNotEmpty({ directory: folder, found: 'it is a symbolic link' })
    await chmod(folder, folder === layout.root ? rootMode : 0o700)
    for (const name of await readdir(folder)) if (markerTemporary.test(name)) await rm(join(folder, name))
    if (owner) await chown(folder, owner.uid, owner.gid)
  }
}
