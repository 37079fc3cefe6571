// `wharf wal get SEGMENT DEST`: hands one WAL file to a recovering server, with the exit codes of PostgreSQL's restore_command.
//
//   0    the file lies at DEST, whole and checked
//   1    the repository truly does not have it: the end of WAL
//   200  anything else. PostgreSQL takes every code above 125 as "stop", so that a passing failure never looks like the end of WAL
//
// Imports only what it needs: it is started once for each segment.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { messageOf } from '../base/errors.ts'
import { parseGetArguments, type GetAhead, type GetFile } from './get/arguments.ts'
import { fetchWal } from './get/fetch.ts'
import { segmentToFetch } from './get/ahead/order.ts'
import { readOptions } from './get/options.ts'
import { placeFile } from './get/place.ts'

export const walGetExits = { found: 0, missing: 1, failed: 200 } as const

/** Never throws. Says on standard error why it failed. */
export async function walGet(args: readonly string[]): Promise<number> {
  try {
    const parsed = parseGetArguments(args)
    if (parsed.kind === 'probe') {
      for (const folder of ['', 'wal', 'packs']) readdirSync(join(parsed.path, folder))
      return walGetExits.found
    }
    if (parsed.kind === 'ahead') {
      await getAhead(parsed)
      return walGetExits.found
    }
    const file = await fetchWal(parsed)
    if (file === undefined) return parsed.missingExit
    placeFile(parsed.destination, file.bytes)
    if (!file.partial && parsed.from.kind === 'options') await goOnAhead(parsed, parsed.from.file, args)
    return walGetExits.found
  } catch (error) {
    say(error)
    return walGetExits.failed
  }
}

function say(error: unknown): void {
  process.stderr.write(`wharf wal get: ${error instanceof Error ? error.message : String(error)}\n`)
}

/** The server has what it asked for: that nothing can be fetched ahead must not stop it. */
async function goOnAhead(request: GetFile, options: string, args: readonly string[]): Promise<void> {
  try {
    const next = segmentToFetch(request.segment, readOptions(options))
    const dataDirectory = process.cwd()
    if (next === undefined || !existsSync('global/pg_control')) return
    const { startAhead } = await import('./get/ahead/start.ts')
    const call = process.argv.slice(1, process.argv.length - args.length)
    startAhead({ dataDirectory, segment: next, call, options })
  } catch (error) {
    say(new Error(`${request.segment} is handed over; nothing is fetched ahead: ${messageOf(error)}`))
  }
}

async function getAhead({ file, segment }: GetAhead): Promise<void> {
  const { fetchAhead } = await import('./get/ahead/fetch-ahead.ts')
  const { watchRecovery } = await import('./get/ahead/recovery-life.ts')
  const { openLanes } = await import('./get/ahead/lanes.ts')
  const options = readOptions(file)
  const dataDirectory = process.cwd()
  await using lanes = await openLanes({ dataDirectory, options: file })
  await fetchAhead({
    dataDirectory,
    first: segment,
    plan: options,
    fetch: (name) => lanes.fetch(name),
    // A server far away answers late, a disk does not.
    lanes: options.seed.store.kind === 'file' ? 3 : 6,
    isOver: watchRecovery(dataDirectory, file),
  })
}
