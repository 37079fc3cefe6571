// Which files of a backup a sandbox gets: all that may matter, and stubs in the place of files that the manifest proves to belong to relations nobody asked for.
import { posix } from 'node:path'

import type { Manifest, ManifestFile, MappedRelation, ScratchFile } from '../../repository/contract.ts'
import type { RelationFile } from '../../wal/contract.ts'
import { librariesForReplay } from '../restore/settings.ts'
import { keyOfPath } from '../server/scratch.ts'

export interface SandboxWish {
  /** Relations that come with their content; asked for each one that is no system catalog: tables, indexes, TOAST, sequences, large objects. */
  readonly wanted: (relation: MappedRelation) => boolean
  /** Databases whose catalogs come too; default: all. Shared catalogs and those of template1 are always there. */
  readonly databases?: ReadonlySet<number> | undefined
}

export interface SandboxChoice {
  /** The backup as the sandbox restores it: what is left out stands among `scratch`. */
  readonly manifest: Manifest
  /** Whether a relation's files are stubs: what a query of it says is then worth nothing. */
  leftOut(databaseOid: number, filenode: number): boolean
  /** `tablespace/database/relfilenode` of relations of which no file is there. */
  readonly leftOutKeys: ReadonlySet<string>
  /** Databases of which nothing is there, their catalogs included. */
  readonly leftOutDatabases: ReadonlySet<number>
  readonly keptBytes: number
  readonly stubBytes: number
}

/** Objects that initdb makes have smaller oids (FirstNormalObjectId). */
export const FIRST_USER_OID = 16_384
/** pg_largeobject and its index: as large as users make it, and no catalog that anything else needs. */
const LARGE_OBJECTS: ReadonlySet<number> = new Set([2613, 2683])

export function isCatalog(relation: MappedRelation): boolean {
  if (LARGE_OBJECTS.has(relation.oid)) return false
  // Extensions keep catalogs of their own there.
  return relation.oid < FIRST_USER_OID || relation.schema === 'pg_catalog'
}

/** A file that no relation of the manifest claims is kept: nothing proves what it is. */
export function chooseFiles(manifest: Manifest, wish: SandboxWish): SandboxChoice {
  const stubKeys = new Set<string>()
  for (const relation of manifest.relations) {
    const { tablespace, database, relfilenode } = relation.file
    if (database === 0 || isCatalog(relation) || wish.wanted(relation)) continue
    stubKeys.add(`${tablespace}/${database}/${relfilenode}`)
  }
  // One file may have two names in the map: the relation was renamed into place while the backup ran.
  for (const relation of manifest.relations) {
    const { tablespace, database, relfilenode } = relation.file
    if (isCatalog(relation) || wish.wanted(relation)) stubKeys.delete(`${tablespace}/${database}/${relfilenode}`)
  }
  const template = manifest.relations.find((one) => one.database === 'template1')?.databaseOid ?? 1
  const withCatalogs = (oid: number): boolean => wish.databases?.has(oid) !== false || oid === template
  const files: ManifestFile[] = []
  const stubs: ScratchFile[] = [...manifest.scratch]
  for (const file of manifest.files) {
    const key = file.kind === 'segment' ? keyOfPath(file.path) : undefined
    const left = key !== undefined && (stubKeys.has(key) || !withCatalogs(databaseOf(key)))
    if (left) stubs.push({ path: file.path, mode: file.mode, bytes: file.bytes })
    else files.push(file)
  }
  const leftOutKeys = new Set(stubs.flatMap((one) => keyOfPath(one.path) ?? []))
  const left = new Set([...leftOutKeys].map(withoutTablespace))
  const known = manifest.relations.map((one) => one.databaseOid)
  return {
    manifest: {
      ...manifest,
      ...imagesFor(manifest, files),
      files,
      scratch: stubs,
      folders: foldersWith(manifest, stubs),
    },
    leftOutKeys,
    leftOutDatabases: new Set(known.filter((oid) => oid !== 0 && !withCatalogs(oid))),
    leftOut: (databaseOid, filenode) => left.has(`${databaseOid}/${filenode}`),
    keptBytes: files.reduce((sum, file) => sum + file.bytes, 0),
    stubBytes: stubs.reduce((sum, file) => sum + file.bytes, 0),
  }
}

/** Whether replay changes pages of a file: those of stubs are passed over, unless nothing is. */
export function keeps({
  manifest,
  leftOutKeys,
  leftOutDatabases,
}: Pick<SandboxChoice, 'manifest' | 'leftOutKeys' | 'leftOutDatabases'>): (file: RelationFile) => boolean {
  if (replaysAll(manifest)) return () => true
  return ({ tablespace, database, relfilenode }) =>
    !leftOutDatabases.has(database) && !leftOutKeys.has(`${tablespace}/${database}/${relfilenode}`)
}

function databaseOf(key: string): number {
  return Number(key.split('/')[1])
}

/** A database may be moved to another tablespace, its files keep their names. */
function withoutTablespace(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

/** Where a tier has deferred only what is left out, replay need not begin at the oldest image. */
function imagesFor(
  manifest: Manifest,
  files: readonly ManifestFile[],
): Pick<Manifest, 'olderImages' | 'replayFromLsn'> {
  let least = manifest.startLsn
  for (const file of files) if (file.kind === 'segment' && file.imageLsn < least) least = file.imageLsn
  const first = manifest.olderImages.findLastIndex((one) => one.lsn <= least)
  const olderImages = least >= manifest.startLsn ? [] : manifest.olderImages.slice(Math.max(0, first))
  return { olderImages, replayFromLsn: olderImages[0]?.lsn ?? manifest.startLsn }
}

/** A folder may hold nothing but stubs. */
function foldersWith(manifest: Manifest, stubs: readonly ScratchFile[]): Manifest['folders'] {
  const mode = manifest.folders.find((one) => one.path === 'base')?.mode ?? 0o700
  const known = new Set(manifest.folders.map((one) => one.path))
  const added: { path: string; mode: number }[] = []
  for (const stub of stubs) {
    for (let folder = posix.dirname(stub.path); folder !== '.' && !known.has(folder); folder = posix.dirname(folder)) {
      known.add(folder)
      added.push({ path: folder, mode })
    }
  }
  return [...manifest.folders, ...added]
}

/** Redo of an extension's own records may need the pages that others of its records made: then nothing is passed over. */
export function replaysAll(manifest: Pick<Manifest, 'settings'>): boolean {
  return librariesForReplay(manifest.settings['shared_preload_libraries'] ?? '').length > 0
}
