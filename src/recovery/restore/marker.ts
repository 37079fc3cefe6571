// `wharf-recovery.json` in the restored folder: what it is, how far it came, and who may go on with it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'

export const markerName = 'wharf-recovery.json'

/**
 * `restoring`: files are missing, nothing can be started. `restored`: a server can replay. `replaying`: one of ours does, behind closed doors, or did when its
 * recovery was killed or gave up. `following`: a standby replays whatever comes. `recovered`: target reached and verified.
 */
export type MarkerState = 'restoring' | 'restored' | 'replaying' | 'following' | 'recovered'

export interface Marker {
  readonly version: 1
  readonly state: MarkerState
  readonly recovery: string
  readonly warehouse: string
  readonly repository: string
  readonly backup: string
  readonly target: string
  readonly startedAt: string
  /** Folders outside the data directory that this restore filled: tablespaces. */
  readonly tablespaces: readonly string[]
  /** Left out by older versions: a new folder, and nobody knows what it is. */
  readonly way?: 'new' | 'in-place' | undefined
  readonly mode?: 'copy' | 'original' | undefined
  /** Of the cluster, as decimal text: pg_control is away meanwhile. */
  readonly systemIdentifier?: string | undefined
  /** What became of a cut-over. */
  readonly opened?:
    | { readonly lsn: string; readonly timeline: number; readonly port: number; readonly socketDirectory: string }
    | undefined
  /** The process that works here while it lives, and its host. */
  readonly holder?: { readonly host: string; readonly process: string } | undefined
}

export async function writeMarker(directory: string, marker: Marker): Promise<void> {
  await writeFileDurably(join(directory, markerName), `${JSON.stringify(marker, undefined, 2)}\n`)
}

/** Undefined where there is none. A file that cannot be read as a marker counts as none: the folder is then simply not empty. */
export async function readMarker(directory: string): Promise<Marker | undefined> {
  const text = await readFile(join(directory, markerName), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  })
  if (text === undefined) return undefined
  try {
    const marker = JSON.parse(text) as Marker
    return marker.version === 1 && typeof marker.state === 'string' && Array.isArray(marker.tablespaces)
      ? marker
      : undefined
  } catch {
    return undefined
  }
}
