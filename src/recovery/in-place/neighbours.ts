// Folders that a server elsewhere on this machine uses as tablespaces: a copy made by `cp -a` has links into those of its original.
import { readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

import { runningServers } from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'

/** Rejects where a running server has one of the folders. Sees what this user may see of other processes. */
export async function refuseShared(root: string, folders: readonly string[]): Promise<void> {
  const ours = new Map<string, string>()
  for (const folder of folders) ours.set(await realpath(folder).catch(() => folder), folder)
  for (const server of await runningServers()) {
    if (server === root) continue
    for (const oid of await readdir(join(server, 'pg_tblspc')).catch(() => [] as string[])) {
      const used = await realpath(join(server, 'pg_tblspc', oid)).catch(() => undefined)
      const folder = used === undefined ? undefined : ours.get(used)
      if (folder !== undefined)
        throw errors.targetInUse({
          directory: folder,
          what: `the server that runs on ${server} has a tablespace there`,
        })
    }
  }
}
