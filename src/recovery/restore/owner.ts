// To whom a restored data directory belongs. PostgreSQL does not run as root, so root must give its files away.
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

import type { Environment } from '../../base/environment.ts'
import { codeOf } from '../../base/errors.ts'
import { recoveryErrors as errors } from '../errors.ts'

export interface Owner {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Why this one, for the plan. */
  readonly because: string
}

/**
 * Undefined: this process' own user. Root gives the files to `wanted`, else to the owner of the nearest existing parent, else to `postgres`,
 * else to `nobody`.
 */
export async function chooseOwner(parts: {
  directory: string
  wanted: string | undefined
  environment: Environment
}): Promise<Owner | undefined> {
  const { directory, wanted, environment } = parts
  if (!environment.isRoot) {
    if (wanted !== undefined && wanted !== environment.user) throw errors.ownerNeedsRoot(wanted)
    return undefined
  }
  const users = parseUsers(await readFile('/etc/passwd', 'utf8').catch(() => ''))
  if (wanted !== undefined) {
    const found = users.find((one) => one.name === wanted || String(one.uid) === wanted)
    if (!found) throw errors.unknownOwner(wanted)
    return { ...found, because: 'named by --owner' }
  }
  const parent = await nearestFolder(dirname(directory))
  if (parent.uid !== 0) {
    const name = users.find((one) => one.uid === parent.uid)?.name ?? `uid ${parent.uid}`
    return { name, uid: parent.uid, gid: parent.gid, because: `owns ${parent.path}` }
  }
  const postgres = users.find((one) => one.name === 'postgres')
  if (postgres) return { ...postgres, because: 'the usual user of PostgreSQL' }
  const nobody = users.find((one) => one.name === 'nobody') ?? { name: 'nobody', uid: 65_534, gid: 65_534 }
  return { ...nobody, because: 'PostgreSQL does not run as root' }
}

interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

function parseUsers(passwd: string): readonly User[] {
  return passwd.split('\n').flatMap((line) => {
    const match = /^([^:]+):[^:]*:(-?\d+):(-?\d+):/.exec(line)
    return match ? [{ name: match[1]!, uid: Number(match[2]) >>> 0, gid: Number(match[3]) >>> 0 }] : []
  })
}

async function nearestFolder(path: string): Promise<{ path: string; uid: number; gid: number }> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const found = await stat(folder)
      return { path: folder, uid: found.uid, gid: found.gid }
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || folder === dirname(folder)) throw error
    }
  }
}

/** The first folder on the way to `path` that the owner may not pass; undefined where all are open. Missing ones will be made. */
export async function closedFolder(path: string, owner: Owner | undefined): Promise<string | undefined> {
  if (!owner || owner.uid === 0) return undefined
  for (let folder = path; ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined)
    if (found?.isDirectory()) {
      const bit = found.uid === owner.uid ? 0o100 : found.gid === owner.gid ? 0o010 : 0o001
      if ((found.mode & bit) === 0) return folder
    }
    if (folder === dirname(folder)) return undefined
  }
}
