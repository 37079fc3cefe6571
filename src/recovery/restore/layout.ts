// Where each part of a backup goes: the target folder and its tablespaces.
import { isAbsolute, join, resolve, sep } from 'node:path'

import type { Manifest, ManifestTablespace } from '../../repository/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'

/** Where a tablespace goes: a folder under `pg_tblspc` of the copy itself, or a link to a folder elsewhere. */
export type TablespaceTarget = { readonly kind: 'in-place' } | { readonly kind: 'link'; readonly path: string }

export interface PlacedTablespace extends ManifestTablespace {
  readonly target: TablespaceTarget
}

export interface Layout {
  readonly root: string
  readonly tablespaces: readonly PlacedTablespace[]
  /** Files that lie under another name until all else is durable, beside pg_control. */
  readonly held?: ReadonlySet<string> | undefined
}

/**
 * Tablespaces go where `--tablespace` says (by name, oid or old path), else in place: inside the copy, so that it can stand beside the
 * server it came from. With `original` they go back to their old paths.
 */
export function placeTablespaces(parts: {
  root: string
  tablespaces: readonly ManifestTablespace[]
  moves: Readonly<Record<string, string>>
  original: boolean
}): Layout {
  const root = resolve(parts.root)
  const used = new Set<string>()
  const tablespaces = parts.tablespaces.map((one) => {
    const key = [one.name, String(one.oid), one.location].find(
      (name) => name !== undefined && Object.hasOwn(parts.moves, name),
    )
    if (key !== undefined) used.add(key)
    return {
      ...one,
      target: targetOf(one, {
        wanted: key === undefined ? undefined : parts.moves[key],
        key,
        original: parts.original,
      }),
    }
  })
  for (const key of Object.keys(parts.moves)) {
    if (!used.has(key))
      throw errors.badTablespace({ text: `${key}=${parts.moves[key]}`, why: `the backup has no tablespace ${key}` })
  }
  refuseOverlaps(root, tablespaces)
  return { root, tablespaces }
}

function targetOf(
  one: ManifestTablespace,
  wish: { wanted: string | undefined; key: string | undefined; original: boolean },
): TablespaceTarget {
  const { wanted, key } = wish
  if (wanted === undefined) {
    return wish.original && one.location !== undefined
      ? { kind: 'link', path: resolve(one.location) }
      : { kind: 'in-place' }
  }
  if (wanted === 'in-place') return { kind: 'in-place' }
  if (!isAbsolute(wanted)) throw errors.badTablespace({ text: `${key}=${wanted}`, why: 'the new path is not absolute' })
  if (/[\n\r]/.test(wanted))
    throw errors.badTablespace({ text: `${key}=${wanted}`, why: 'the new path holds a line break' })
  return { kind: 'link', path: resolve(wanted) }
}

/** A tablespace within the data directory, or within another one, would be copied twice or emptied by its neighbour. */
function refuseOverlaps(root: string, tablespaces: readonly PlacedTablespace[]): void {
  const seen: string[] = [root]
  for (const one of tablespaces) {
    if (one.target.kind !== 'link') continue
    const { path } = one.target
    const other = seen.find((known) => isWithin(path, known) || isWithin(known, path))
    if (other !== undefined)
      throw errors.badTablespace({ text: `${one.name}=${path}`, why: `it overlaps with ${other}` })
    seen.push(path)
  }
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

/** Absolute path of a file or folder of the manifest. Rejects what would lie outside. */
export function placeOf(layout: Layout, path: string): string {
  if (path.split('/').some((part) => part === '..' || part === '.' || part === '') || path.includes('\0')) {
    throw errors.badManifest({ backup: layout.root, why: `"${path}" is no path within a data directory` })
  }
  const match = /^pg_tblspc\/(\d+)\/(.+)$/.exec(path)
  const tablespace = match && layout.tablespaces.find((one) => one.oid === Number(match[1]))
  if (tablespace?.target.kind === 'link') return join(tablespace.target.path, match![2]!)
  return join(layout.root, path)
}

/** Folders that a data directory must have whether the manifest names them or not; summaries came with 17. */
export function standardFolders(majorVersion: number): readonly string[] {
  const always =
    'base global pg_commit_ts pg_dynshmem pg_logical pg_logical/mappings pg_logical/snapshots pg_multixact pg_multixact/members pg_multixact/offsets ' +
    'pg_notify pg_replslot pg_serial pg_snapshots pg_stat pg_stat_tmp pg_subtrans pg_tblspc pg_twophase pg_wal pg_wal/archive_status pg_xact'
  return [...always.split(' '), ...(majorVersion >= 17 ? ['pg_wal/summaries'] : [])]
}

/** All folders to make, parents first, with their modes. */
export function foldersOf(
  layout: Layout,
  manifest: Pick<Manifest, 'folders' | 'files' | 'postgresVersion'>,
): ReadonlyMap<string, number> {
  // A cluster that lets its group read (0750) has 0750 everywhere; PostgreSQL accepts nothing wider.
  const fallback = (manifest.folders.find((one) => one.path === 'base')?.mode ?? 0o700) & 0o750
  const folders = new Map<string, number>()
  for (const path of standardFolders(Math.floor(manifest.postgresVersion / 10_000)))
    folders.set(placeOf(layout, path), fallback)
  for (const one of manifest.folders) {
    if (one.path === '' || one.path === '.') continue
    if (layout.tablespaces.some((space) => space.target.kind === 'link' && one.path === `pg_tblspc/${space.oid}`))
      continue
    folders.set(placeOf(layout, one.path), one.mode & 0o750 || fallback)
  }
  for (const space of layout.tablespaces)
    if (space.target.kind === 'in-place') folders.set(placeOf(layout, `pg_tblspc/${space.oid}`), fallback)
  for (const file of manifest.files) addParents(folders, { path: placeOf(layout, file.path), layout, mode: fallback })
  return new Map([...folders].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function addParents(folders: Map<string, number>, at: { path: string; layout: Layout; mode: number }): void {
  const roots = [
    at.layout.root,
    ...at.layout.tablespaces.flatMap((one) => (one.target.kind === 'link' ? [one.target.path] : [])),
  ]
  const root = roots
    .filter((one) => isWithin(at.path, one))
    .reduce((best, one) => (one.length > best.length ? one : best), '')
  for (
    let folder = resolve(at.path, '..');
    folder.length > root.length && !folders.has(folder);
    folder = resolve(folder, '..')
  )
    folders.set(folder, at.mode)
}
