// The files of one cluster, wherever they are read from: the node's own disk (disk.ts), or SQL sessions (sql.ts).
import type { ManifestTablespace } from '../../repository/contract.ts'
import type { SourceDescriptor } from './reading.ts'
import type { ServerIdentity } from './server-identity.ts'

/** One entry of the data directory that a backup has to do with. Paths use `/`; tablespaces appear under `pg_tblspc/<oid>/`. */
export type ListedEntry =
  | ListedFile
  /** A folder that must exist in a restored cluster. */
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  /** Data of an unlogged relation: left out, reported. */
  | { readonly kind: 'unlogged'; readonly path: string; readonly bytes: number }
  /** A socket, a pipe, a device, a link to a folder of the user's: left out as PostgreSQL leaves it out, and said. */
  | { readonly kind: 'odd'; readonly path: string; readonly what: string }

export interface ListedFile {
  readonly kind: 'segment' | 'plain'
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  /** Epoch milliseconds. */
  readonly modifiedMs: number
  readonly bytes: number
}

export interface FileState {
  readonly mode: number
  readonly modifiedMs: number
  readonly bytes: number
}

export interface ClusterFiles {
  /** For messages. */
  readonly directory: string
  /** How copying threads read the same files. */
  readonly descriptor: SourceDescriptor
  /** The server that gives them, where one does: the one in backup mode must be the same. */
  readonly server?: ServerIdentity
  /** Whether paths outside the data directory are those of this machine. */
  readonly local: boolean
  /** Every tablespace that has a place on disk, by its entry in pg_tblspc. Rejects for nested ones. `name` is left empty. */
  tablespaces(signal: AbortSignal): Promise<readonly ManifestTablespace[]>
  /** All entries but what exclusions.ts names, and but global/pg_control, which is read last. */
  list(options: ListOptions): AsyncIterable<ListedEntry>
  /** Undefined where the file does not exist (any more). */
  stat(path: string): Promise<FileState | undefined>
  /** Up to `length` bytes from `offset`; fewer at the end of the file; undefined where it does not exist. */
  read(path: string, at: { offset: number; length: number }): Promise<Buffer | undefined>
}

export interface ListOptions {
  readonly signal: AbortSignal
  /** Name of our own folder in tablespaces: `PG_18_202506291`. Those of other versions are not ours. */
  readonly versionFolder: string
  readonly majorVersion: number
}
