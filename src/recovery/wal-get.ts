// `wharf wal get SEGMENT DEST`: hands one WAL file to a recovering server, with the exit codes of PostgreSQL's restore_command.
//
//   0    the file lies at DEST, whole and checked
//   1    the repository truly does not have it: the end of WAL
//   200  anything else. PostgreSQL takes every code above 125 as "stop", so that a passing failure never looks like the end of WAL
//
// Imports only what it needs: it is started once for each segment.
import { readdirSync } from 'node:fs'

import { parseGetArguments } from './get/arguments.ts'
import { fetchWal } from './get/fetch.ts'
import { placeFile } from './get/place.ts'

export const walGetExits = { found: 0, missing: 1, failed: 200 } as const

/** Never throws. Says on standard error why it failed. */
export async function walGet(args: readonly string[]): Promise<number> {
  try {
    const parsed = parseGetArguments(args)
    if (parsed.kind === 'probe') {
      readdirSync(parsed.path)
      return walGetExits.found
    }
    const bytes = await fetchWal(parsed)
    if (bytes === undefined) return parsed.missingExit
    placeFile(parsed.destination, bytes)
    return walGetExits.found
  } catch (error) {
    process.stderr.write(`wharf wal get: ${error instanceof Error ? error.message : String(error)}\n`)
    return walGetExits.failed
  }
}
