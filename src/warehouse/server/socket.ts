// Where a server's socket lies. The path of a socket has at most 103 bytes on macOS (107 on Linux).
import { createHash } from 'node:crypto'
import { chmod, chown, lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { warehouseErrors } from '../errors.ts'
import type { ServerAccount } from './account.ts'

const longestPath = 103
/** `/.s.PGSQL.65535.lock` */
const fileNameLength = 21

/** `wanted`, or where that is too long a folder with a short name that is the same at every start. */
export function socketFolder(wanted: string, temporary: string = tmpdir()): string {
  if (Buffer.byteLength(wanted) + fileNameLength <= longestPath) return wanted
  const short = `wharf-${createHash('sha256').update(wanted).digest('hex').slice(0, 10)}`
  const inTemporary = join(temporary, short)
  return Buffer.byteLength(inTemporary) + fileNameLength <= longestPath ? inTemporary : join('/tmp', short)
}

/**
 * Makes the folder for the socket: the server's account writes to it, others may only pass. The short name under /tmp can be guessed: a folder or
 * link that somebody else laid there first is refused with `warehouse.foreign-socket-folder`.
 */
export async function makeSocketFolder(folder: string, account: ServerAccount | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o711 })
  const about = await lstat(folder)
  const ours = [process.geteuid?.(), account?.uid]
  if (!about.isDirectory() || !ours.includes(about.uid)) throw warehouseErrors.foreignSocketFolder({ folder })
  await chmod(folder, account ? 0o711 : 0o700)
  if (account) await chown(folder, account.uid, account.gid)
}
