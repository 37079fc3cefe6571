// Kept loads and pieces of their inputs that expire: what no recovery can need, what never committed, what no load names.
import { isLost, readAllKept, whyNeeded, type KeptFound, type KeptObject } from '../kept/expiry.ts'
import { piecesOf } from '../kept/head.ts'
import { INPUT_PREFIX } from '../kept/names.ts'
import { outcomeOf } from '../kept/outcome.ts'
import type { Manifest } from '../contract.ts'
import type { ReadOptions } from '../object/decode.ts'
import { StoredWal } from '../wal/archive.ts'
import type { WalArchive, WalChunkInfo } from '../wal-contract.ts'
import type { Sizes } from './mark.ts'
import { tablesOf, type Roots } from './roots.ts'
import { MARGIN_MS, type Standing } from './standing.ts'

interface Of {
  readonly roots: Roots
  /** Manifests that go now. */
  readonly gone: ReadonlySet<string>
  readonly standing: Standing
  readonly sizes: Sizes
  /** Older than the grace period and than every lease. */
  readonly olderThanMs: number
}

export interface ExpiredKept {
  readonly expired: readonly string[]
  readonly garbage: readonly string[]
  readonly unreadable: KeptFound['unreadable']
}

export async function expiredKept(of: Of, options: ReadOptions): Promise<ExpiredKept> {
  const found = await readAllKept(options)
  if (of.roots.unreadable.length > 0) return { expired: [], garbage: [], unreadable: found.unreadable }
  const expired = new Set<string>()
  const lost: string[] = []
  for (const warehouse of new Set(found.kept.map((one) => one.load.warehouse))) {
    if (found.unreadable.some((one) => one.warehouse === warehouse)) continue
    const own = found.kept.filter((one) => one.load.warehouse === warehouse && !of.standing.dead.has(one.object))
    const roots = of.roots.roots.filter((one) => one.warehouse === warehouse)
    const isGoing = (object: string): boolean => of.gone.has(object) || of.standing.dead.has(object)
    // Before the first backup has expired nobody knows whether a load waits for its first backup.
    if (roots.some((one) => isGoing(one.object))) {
      const staying = roots.filter((one) => !isGoing(one.object))
      for (const name of notNeeded(own, staying)) expired.add(name)
    }
    lost.push(...(await lostOf(own, of, options)))
  }
  const garbage = [...lost.filter((name) => !expired.has(name)), ...unnamedInputs(found, of, expired)]
  return { expired: [...expired], garbage, unreadable: found.unreadable }
}

function notNeeded(own: readonly KeptObject[], staying: Roots['roots']): string[] {
  const why = whyNeeded({ staying, loads: own.map((one) => one.load) })
  return own.filter((one) => why(one.load) === undefined).map((one) => one.object)
}

async function lostOf(own: readonly KeptObject[], of: Of, options: ReadOptions): Promise<string[]> {
  const wal = listedOnce(new StoredWal(options))
  const followed = new Set(own.flatMap((one) => Object.values(one.load.follows)))
  const lost: string[] = []
  for (const { object, modifiedMs, load } of own) {
    if (modifiedMs >= of.olderThanMs || load.xid === undefined || followed.has(load.id)) continue
    if (isLost(await outcomeOf(load, wal, options.signal))) lost.push(object)
  }
  return lost
}

/** The chunks of a timeline are listed once for all loads. */
function listedOnce(wal: WalArchive): Pick<WalArchive, 'list' | 'readIndex'> {
  const lists = new Map<string, Promise<readonly WalChunkInfo[]>>()
  return {
    readIndex: (info, signal) => wal.readIndex(info, signal),
    list: (system, signal, timeline) => {
      const key = `${system}/${timeline}`
      const known = lists.get(key) ?? wal.list(system, signal, timeline)
      lists.set(key, known)
      return known
    },
  }
}

/** Pieces that only heads which go now name are marked with them; they are deleted behind them. */
function unnamedInputs(found: KeptFound, of: Of, expired: ReadonlySet<string>): string[] {
  if (found.unreadable.length > 0) return []
  const named = new Set<string>()
  const going = new Set<string>()
  for (const { object, load } of found.kept) {
    const target = expired.has(object) || of.standing.dead.has(object) ? going : named
    for (const piece of piecesOf(load)) target.add(piece)
  }
  return [...of.sizes.values()]
    .filter(({ name, modifiedMs }) => {
      if (!name.startsWith(INPUT_PREFIX) || named.has(name) || of.standing.dead.has(name)) return false
      return going.has(name) || modifiedMs < of.olderThanMs
    })
    .map((one) => one.name)
}

/**
 * Kept loads under a tombstone, with their pieces, that a recovery from a backup may need which comes back. What it is too late for is left out: the backup must
 * not be lost for it. Of a head that cannot be read nobody knows the pieces: all that are dead come back.
 */
export async function deadKept(manifest: Manifest, standing: Standing, options: ReadOptions): Promise<string[]> {
  const { warehouse } = manifest
  const found = await readAllKept(options)
  const own = found.kept.filter((one) => one.load.warehouse === warehouse)
  const staying = [{ ...manifest, ...tablesOf(manifest) }]
  const why = whyNeeded({ staying, loads: own.map((one) => one.load) })
  const latestMs = (await options.store.now(options)) + 2 * MARGIN_MS
  const inTime = (name: string): boolean => (standing.dead.get(name)?.matureMs ?? 0) > latestMs
  const names = own.flatMap(({ object, load }) => (why(load) === undefined ? [] : [object, ...piecesOf(load)]))
  const unread = found.unreadable.flatMap((one) => (one.warehouse === warehouse ? [one.object] : []))
  const pieces = unread.length === 0 ? [] : [...standing.dead.keys()].filter((name) => name.startsWith(INPUT_PREFIX))
  return [...new Set([...names, ...unread, ...pieces])].filter(inTime)
}
