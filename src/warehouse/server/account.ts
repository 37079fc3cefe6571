// Whom a server runs as. PostgreSQL refuses root, so root lends it an unprivileged user.
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

import type { Environment } from '../../base/environment.ts'
import { codeOf } from '../../base/errors.ts'
import { warehouseErrors } from '../errors.ts'

/** The user that owns a data directory and runs its server. */
export interface ServerAccount {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Undefined: this process' own user. For root: the owner of the data directory if there is one, else `nobody`. */
export async function accountFor(dataDirectory: string, environment: Environment): Promise<ServerAccount | undefined> {
  if (!environment.isRoot) return undefined
  const owner = await stat(dataDirectory).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (owner && owner.uid !== 0) return { name: `uid ${owner.uid}`, uid: owner.uid, gid: owner.gid }
  return await nobody()
}

/** `nobody` of /etc/passwd; 65534 where it has no entry. */
async function nobody(): Promise<ServerAccount> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const line = /^nobody:[^:]*:(-?\d+):(-?\d+):/m.exec(passwd)
  // macOS writes -2; system calls take it as unsigned 32 bits.
  return { name: 'nobody', uid: Number(line?.[1] ?? 65534) >>> 0, gid: Number(line?.[2] ?? 65534) >>> 0 }
}

/** Rejects with `warehouse.not-reachable-by-server` when a folder on the way to `path` cannot be entered by the account. */
export async function assertReachable(path: string, account: ServerAccount | undefined): Promise<void> {
  if (!account) return
  for (let folder = path; ; folder = dirname(folder)) {
    const about = await stat(folder).catch(() => undefined)
    if (about?.isDirectory() && !mayEnter(about, account)) {
      throw warehouseErrors.notReachableByServer({ path, user: account.name, folder })
    }
    if (folder === dirname(folder)) return
  }
}

function mayEnter(about: { mode: number; uid: number; gid: number }, account: ServerAccount): boolean {
  if (about.uid === account.uid) return (about.mode & 0o100) !== 0
  if (about.gid === account.gid) return (about.mode & 0o010) !== 0
  return (about.mode & 0o001) !== 0
}
