// What a backup's own pages say about one database: names of schemas, relations with their files, partitions. Not only what is seen: a row whose
// deleter the page does not tell counts as well, so that nothing is missed.
import type { Manifest, MappedRelation, Repository } from '../../repository/contract.ts'
import type { RelationFile } from '../../wal/contract.ts'
import { tuplesOn, type TupleBytes } from '../../wal/heap-records.ts'
import { segmentOf, storedPages } from '../blocks/backup-pages.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { catalogOids, classRow, inheritsRow, namespaceRow, type ClassRow, type InheritsRow } from './catalog-rows.ts'
import { HeapFollower } from './heap-follower.ts'
import { pathOf } from './relation-path.ts'

export interface FollowedCatalog {
  readonly file: RelationFile
  readonly follower: HeapFollower
}

export interface BackupCatalog {
  readonly database: { readonly name: string; readonly oid: number; readonly tablespace: number }
  readonly majorVersion: number
  readonly classes: ReadonlyMap<number, ClassRow>
  readonly namespaces: ReadonlyMap<number, string>
  readonly inherits: readonly InheritsRow[]
  readonly pgClass: FollowedCatalog
  readonly pgInherits: FollowedCatalog
}

type Source = Pick<Repository, 'readMaps' | 'openExtentReader'>
type Described = Pick<Manifest, 'id' | 'files' | 'relations' | 'postgresVersion' | 'catalogVersion'>

export async function readCatalog(
  repository: Source,
  of: { readonly manifest: Described; readonly database: string; readonly signal: AbortSignal },
): Promise<BackupCatalog> {
  const majorVersion = Math.floor(of.manifest.postgresVersion / 10_000)
  const open = async (oid: number, each: (tuple: TupleBytes) => void): Promise<FollowedCatalog> => {
    const relation = of.manifest.relations.find((one) => one.database === of.database && one.oid === oid)
    if (!relation)
      throw errors.badManifest({ backup: of.manifest.id, why: `its relation map has no catalog of ${of.database}` })
    return { file: relation.file, follower: await readHeap(repository, { ...of, relation, each }) }
  }
  const classes = new Map<number, ClassRow>()
  const namespaces = new Map<number, string>()
  const inherits: InheritsRow[] = []
  const pgClass = await open(catalogOids.pgClass, (tuple) => {
    const row = classRow(tuple, majorVersion)
    if (row) classes.set(row.oid, row)
  })
  await open(catalogOids.pgNamespace, (tuple) => {
    const row = namespaceRow(tuple)
    if (row) namespaces.set(row.oid, row.name)
  })
  const pgInherits = await open(catalogOids.pgInherits, (tuple) => {
    const row = inheritsRow(tuple)
    if (row) inherits.push(row)
  })
  const { tablespace, database: oid } = pgClass.file
  return {
    database: { name: of.database, oid, tablespace },
    majorVersion,
    classes,
    namespaces,
    inherits,
    pgClass,
    pgInherits,
  }
}

async function readHeap(
  repository: Source,
  of: {
    manifest: Described
    relation: MappedRelation
    each: (tuple: TupleBytes) => void
    signal: AbortSignal
  },
): Promise<HeapFollower> {
  const follower = new HeapFollower()
  const certain: TupleBytes[] = []
  const path = pathOf(of.relation.file, of.manifest)
  for (let segment = 0; ; segment++) {
    const file = segmentOf(of.manifest, segment === 0 ? path : `${path}.${segment}`)
    if (!file) {
      // Last, so that what is certain takes the place of what is not.
      for (const tuple of certain) of.each(tuple)
      return follower
    }
    for await (const { block, page } of storedPages(repository, { manifest: of.manifest, file, signal: of.signal })) {
      follower.addPage(segment * 131_072 + block, page)
      for (const { tuple, seen } of tuplesOn(page)) {
        if (seen === 'perhaps') of.each(tuple)
        else if (seen === 'yes') certain.push(tuple)
      }
    }
  }
}
