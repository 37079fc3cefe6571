// Makes way in a folder that is restored over: what the backup does not have is removed, the user's own files stay. Only behind the marker.
import { lstat, mkdir, readdir, readlink, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { syncFolder } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import type { Manifest } from '../../repository/contract.ts'
import { controlPath, filesToRestore, heldSuffix, targetPath } from '../restore/distribute.ts'
import { foldersOf, placeOf, standardFolders, type Layout } from '../restore/layout.ts'
import { markerName } from '../restore/marker.ts'

/** WAL of the target that could not be stored: kept here, within pg_wal, of which PostgreSQL reads files with names of segments only. */
export const unsavedName = 'wharf-unsaved'

/** Files of PostgreSQL in the data directory itself; all that else lies there is the user's. */
const ownFiles: ReadonlySet<string> = new Set([
  'PG_VERSION',
  'backup_label',
  'backup_label.old',
  'backup_manifest',
  'backup_manifest.tmp',
  'tablespace_map',
  'tablespace_map.old',
  'postmaster.pid',
  'postmaster.opts',
  'current_logfiles',
  'current_logfiles.tmp',
  'recovery.signal',
  'standby.signal',
  'postgresql.auto.conf.tmp',
])
const ownFolders: ReadonlySet<string> = new Set(standardFolders(Infinity).map((path) => path.split('/')[0]!))
/** Of earlier recoveries. What `wal push` needs is the server's, and stays. */
const ours =
  /^(wharf-wal-get\..+|wharf-wal-ahead.*|wharf-wal|wharf-recovery\.(log|hba)|wharf-recovery-end\.sh|wharf-socket|\.wharf-recovery\.json\..+|\..+\.wharf|.+\.wharf-part)$/

/** Whether a path of the manifest is PostgreSQL's own: data, not configuration, logs or whatever else lies in a data directory. */
export function isServers(path: string): boolean {
  const [top = '', ...below] = path.split('/')
  return ownFolders.has(top) || (below.length === 0 && ownFiles.has(top))
}

export interface ClearParts {
  readonly layout: Layout
  readonly manifest: Pick<Manifest, 'files' | 'folders' | 'scratch' | 'postgresVersion' | 'catalogVersion'>
  /** Nothing in it is anybody's but an unfinished restore's. */
  readonly allOurs: boolean
  /** Names in pg_wal that could not be stored. */
  readonly unsaved: readonly string[]
  readonly signal: AbortSignal
}

/**
 * The user's files of the manifest that are there: they stay as they are, since somebody may have changed them after the backup for good reason (addresses,
 * certificates, what let the server start at all).
 */
export async function userFilesThere(parts: Pick<ClearParts, 'layout' | 'manifest'>): Promise<ReadonlySet<string>> {
  const kept = new Set<string>()
  for (const { path } of filesToRestore(parts.manifest))
    if (!isServers(path) && (await exists(placeOf(parts.layout, path)))) kept.add(path)
  return kept
}

/** Removes pg_control, durably, and only then the rest. Returns how many files and folders went. */
export async function clearFolder(parts: ClearParts): Promise<number> {
  const { layout } = parts
  await rm(join(layout.root, controlPath), { force: true })
  // Unless it is known to be gone for good nothing else may be touched.
  await syncFolder(join(layout.root, 'global')).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error
  })
  return await new Clearing(parts).all()
}

class Clearing {
  private readonly parts: ClearParts
  private readonly files: ReadonlySet<string>
  private readonly folders: ReadonlySet<string>
  private removed = 0

  constructor(parts: ClearParts) {
    this.parts = parts
    const { layout, manifest } = parts
    this.files = new Set(
      filesToRestore(manifest)
        .map((file) => targetPath(layout, file))
        .filter((path) => !path.endsWith(heldSuffix)),
    )
    this.folders = new Set(foldersOf(layout, manifest).keys())
  }

  async all(): Promise<number> {
    const { root } = this.parts.layout
    for (const name of (await entriesOf(root)).toSorted()) {
      const path = join(root, name)
      if (name === markerName) continue
      if (name === 'pg_wal') await this.wal(path)
      else if (name === 'pg_tblspc') await this.tablespaces(path)
      else if (isServers(name) || ours.test(name) || this.parts.allOurs) await this.one(path)
    }
    return this.removed
  }

  /** Keeps what the backup has, in kind too. */
  private async one(path: string): Promise<void> {
    if (this.files.has(path) && !(await lstat(path)).isDirectory()) return
    // It may be a link to another disk.
    if (this.folders.has(path) && (await isFolder(path))) return await this.within(path)
    await this.remove(path)
  }

  private async within(folder: string): Promise<void> {
    this.parts.signal.throwIfAborted()
    for (const name of await entriesOf(folder)) await this.one(join(folder, name))
  }

  private async remove(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true })
    this.removed++
  }

  /** pg_wal may be a link to a disk of its own: it stays. */
  private async wal(folder: string): Promise<void> {
    const aside = join(folder, unsavedName)
    for (const name of this.parts.unsaved) {
      await mkdir(aside, { recursive: true, mode: 0o700 })
      await rename(join(folder, name), join(aside, name)).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error
      })
    }
    for (const name of await entriesOf(folder)) {
      const path = join(folder, name)
      if (path === aside) continue
      if (this.folders.has(path)) await this.within(path)
      else await this.remove(path)
    }
  }

  /** Links stay where they lead to the right place. Of a tablespace that the backup does not know only its link and this version's folder go. */
  private async tablespaces(folder: string): Promise<void> {
    const { layout, manifest } = this.parts
    const version = `PG_${Math.floor(manifest.postgresVersion / 10_000)}_${manifest.catalogVersion}`
    for (const name of await entriesOf(folder)) {
      const path = join(folder, name)
      const known = layout.tablespaces.find((one) => String(one.oid) === name)
      const leadsTo = await readlink(path).then(
        (target) => resolve(folder, target),
        () => undefined,
      )
      if (leadsTo === undefined) await this.one(path)
      else if (known?.target.kind === 'link' && known.target.path === leadsTo) {
        for (const below of await entriesOf(leadsTo)) if (below === version) await this.one(join(leadsTo, below))
      } else {
        if (!known) await this.remove(join(leadsTo, version))
        await this.remove(path)
      }
    }
  }
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return []
    throw error
  })
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (about) => about.isDirectory(),
    () => false,
  )
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  )
}
