// Whether the recovery for which segments are fetched ahead still goes on.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { identityOf, isAlive } from '../../../base/process-identity.ts'

/** A function that says whether it is over: its options or signals are gone, or the server that was there at the beginning. */
export function watchRecovery(dataDirectory: string, options: string): () => boolean {
  const server = postmasterOf(dataDirectory)
  return () => {
    const signals = ['recovery.signal', 'standby.signal']
    if (!existsSync(options) || !signals.some((name) => existsSync(join(dataDirectory, name)))) return true
    return server !== undefined && (postmasterOf(dataDirectory) !== server || !isAlive(server))
  }
}

function postmasterOf(dataDirectory: string): string | undefined {
  try {
    return identityOf(Number.parseInt(readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8'), 10))
  } catch {
    return undefined
  }
}
