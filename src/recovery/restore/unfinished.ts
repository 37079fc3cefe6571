// What a recovery that did not come to its end has left in a folder: files half restored, or a server of ours that replays behind closed doors.
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { codeOf } from '../../base/errors.ts'
import { isAlive } from '../../base/process-identity.ts'
import { endServer } from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { readMarker, type Marker } from './marker.ts'

/** The pg_hba.conf of a server that lets in nobody but us; named on its command line. */
export const closedHbaName = 'wharf-recovery.hba'

/** The marker, where what lies in the folder is nobody's but an unfinished recovery's. */
export async function unfinishedIn(root: string, marker: Marker | undefined): Promise<Marker | undefined> {
  if (marker?.state === 'restoring') return marker
  return marker?.state === 'replaying' && (await nobodyWasLetIn(root)) ? marker : undefined
}

/** PostgreSQL keeps the last command line: somebody may have started the server by hand since. */
async function nobodyWasLetIn(root: string): Promise<boolean> {
  const text = await readFile(join(root, 'postmaster.opts'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  })
  return text === undefined || text.includes(closedHbaName)
}

/** Ends the server that a recovery has left which was killed while it replayed. Any other runs on, and is refused later. */
export async function endOrphan(root: string, clock: Clock): Promise<void> {
  const marker = await readMarker(root)
  if (marker?.state !== 'replaying' || !(await nobodyWasLetIn(root))) return
  refuseHeld(root, marker)
  const signal = new AbortController().signal
  await endServer({ dataDirectory: root, mode: 'immediate', clock, signal })
}

/** Rejects while the process that began it is alive on this host. */
export function refuseHeld(root: string, marker: Marker): void {
  const { holder } = marker
  if (holder === undefined || holder.host !== hostname() || !isAlive(holder.process)) return
  if (Number.parseInt(holder.process, 10) === process.pid) return
  throw errors.targetInUse({ directory: root, what: `process ${holder.process.split(' ')[0]} recovers into it` })
}
