// What the name of a file in a data directory says. Paths are relative, with `/`, tablespaces under `pg_tblspc/<oid>/`.
import type { ForkName, RelationFile } from '../../wal/contract.ts'

export const DEFAULT_TABLESPACE = 1663
export const GLOBAL_TABLESPACE = 1664

/** A folder that holds relation files. */
export interface DatabaseFolder {
  readonly tablespace: number
  readonly database: number
}

/** A segment file of a relation fork. */
export interface SegmentName {
  readonly file: RelationFile
  readonly fork: ForkName
  readonly segment: number
}

const folderPatterns = [/^global$/, /^base\/(\d+)$/, /^pg_tblspc\/(\d+)\/PG_\d+_\d+\/(\d+)$/] as const

/** Which database's relation files lie in this folder, or undefined where none do. */
export function databaseFolder(folder: string): DatabaseFolder | undefined {
  if (folderPatterns[0].test(folder)) return { tablespace: GLOBAL_TABLESPACE, database: 0 }
  const base = folderPatterns[1].exec(folder)
  if (base) return { tablespace: DEFAULT_TABLESPACE, database: Number(base[1]) }
  const spaced = folderPatterns[2].exec(folder)
  return spaced ? { tablespace: Number(spaced[1]), database: Number(spaced[2]) } : undefined
}

const relationFileName = /^([1-9]\d*)(?:_(fsm|vm|init))?(?:\.([1-9]\d*))?$/

/** `16385_vm.1` → relfilenode, fork, segment; undefined for other files (PG_VERSION, pg_filenode.map, …). */
export function parseSegmentName(name: string): { relfilenode: number; fork: ForkName; segment: number } | undefined {
  const match = relationFileName.exec(name)
  if (!match) return undefined
  return { relfilenode: Number(match[1]), fork: (match[2] ?? 'main') as ForkName, segment: Number(match[3] ?? 0) }
}

/** The relation, fork and segment of a path, or undefined where it is no relation file. */
export function parseSegmentPath(path: string): SegmentName | undefined {
  const slash = path.lastIndexOf('/')
  const folder = slash < 0 ? undefined : databaseFolder(path.slice(0, slash))
  const name = folder && parseSegmentName(path.slice(slash + 1))
  return name && { file: { ...folder, relfilenode: name.relfilenode }, fork: name.fork, segment: name.segment }
}

/** Files of temporary relations: `t<backend>_<relfilenode>` with fork and segment. */
export function isTemporaryRelation(name: string): boolean {
  return /^t\d+_\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?$/.test(name)
}
