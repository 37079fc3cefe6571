// `wharf-recovery.json` in the restored folder: what it is, how far it came, and whether it may be removed by --resume.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'

export const markerName = 'wharf-recovery.json'

/** `restoring`: files are missing, nothing can be started. `restored`: a server can replay. `recovered`: target reached and verified. */
export type MarkerState = 'restoring' | 'restored' | 'recovered'

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
