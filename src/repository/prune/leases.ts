// Who is at work in the repository: backups and readers that hold a lease.
import { isWharfError } from '../../base/errors.ts'
import { newestLeases, readLease } from '../lease/lease.ts'
import { newestReaders, readReader } from '../lease/reader.ts'
import type { ReadOptions } from '../object/decode.ts'
import { MARGIN_MS } from './standing.ts'

export interface AtWork {
  readonly who: string
  readonly startedMs: number
}

/**
 * Leases that are held, or ended so lately that what their holders wrote may not show in listings yet. One that cannot be read holds since ever,
 * for as long as a lease can last.
 */
export async function whoIsAtWork(options: ReadOptions): Promise<AtWork[]> {
  const names = [
    ...(await newestLeases(options)).map(({ name }) => name),
    ...(await newestReaders(options)).map(({ names }) => names.at(-1)!),
  ]
  if (names.length === 0) return []
  const now = await options.store.now(options)
  const found: AtWork[] = []
  for (const name of names) {
    const one = await lookAtNewest(name, now, options)
    if (one) found.push(one)
  }
  return found
}

/** Renewed again and again while we look: then it is held. */
const MOST_LOOKS = 5
const GONE = 'gone'

/** Where the object has gone since it was listed its holder has renewed it, or ended: that is asked. */
async function lookAtNewest(name: string, now: number, options: ReadOptions): Promise<AtWork | undefined> {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const newest: string | undefined = looks === 0 ? name : await newestBeside(name, options)
    if (newest === undefined) return undefined
    const found = await lookAt(newest, now, options)
    if (found !== GONE) return found
  }
  return { who: name, startedMs: 0 }
}

async function newestBeside(name: string, options: ReadOptions): Promise<string | undefined> {
  let newest: string | undefined
  for await (const one of options.store.list(name.slice(0, name.lastIndexOf('/') + 1), options)) newest = one.name
  return newest
}

async function lookAt(name: string, now: number, options: ReadOptions): Promise<AtWork | typeof GONE | undefined> {
  const info = await options.store.stat(name, options)
  if (!info) return GONE
  try {
    const lease = name.startsWith('readers/') ? await readReader(name, options) : await readLease(name, options)
    const untilMs = lease.state === 'held' ? lease.untilMs : info.modifiedMs
    const who = 'reader' in lease ? `${lease.purpose} by ${lease.holder}` : `backup ${lease.backup} by ${lease.holder}`
    return untilMs + MARGIN_MS > now ? { who, startedMs: lease.startedMs } : undefined
  } catch (error) {
    if (isWharfError(error, 'repository.object-missing')) return GONE
    if (!isWharfError(error) || error.exit !== 'damaged') throw error
    return info.modifiedMs + 2 * MARGIN_MS > now ? { who: `${name}, which is damaged`, startedMs: 0 } : undefined
  }
}
