// Who is compared, and on what.
import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { TestServer } from '../../test/support/postgres.ts'
import type { Cost } from './measured.ts'

export type Kind = 'full' | 'increment'

export interface Contender {
  readonly name: string
  backup(kind: Kind): Promise<Cost>
  /** Reads its program into the cache, so that a cold start is one of the data alone. */
  warm(): Promise<void>
  /** Bytes of backups alone, and of WAL. */
  stored(): { readonly backups: number; readonly wal: number }
  /** Bytes that an increment reads from files of the data directory, counted from outside. Takes a backup for it. */
  bytesRead?(): Promise<number>
  restore?(into: string): Promise<Cost>
  /** Over what restore() left and somebody damaged. */
  delta?(into: string): Promise<Cost>
}

/** The threads or processes that everybody gets. */
export const PROCESSES = 2

/** A folder that the server's user may use too. */
export function folderFor(server: TestServer, ...parts: string[]): string {
  const path = join(...parts)
  mkdirSync(path, { recursive: true, mode: 0o755 })
  if (server.account) chownSync(path, server.account.uid, server.account.gid)
  return path
}
