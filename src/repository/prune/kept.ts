// Kept loads and pieces of their inputs that expire: what no recovery can need, what never committed, what no load names.
import { isLost, readAllKept, whyNeeded, type KeptFound, type KeptObject } from '../kept/expiry.ts'
import { piecesOf, readKeptIfThere } from '../kept/head.ts'
import { INPUT_PREFIX, parseKeptName } from '../kept/names.ts'
import { outcomeOf } from '../kept/outcome.ts'
import type { ReadOptions } from '../object/decode.ts'
import { StoredWal } from '../wal/archive.ts'
import type { WalArchive, WalChunkInfo } from '../wal-contract.ts'
import type { Sizes } from './mark.ts'
import type { Roots } from './roots.ts'
import type { Standing } from './standing.ts'

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
  const loads = own.map((one) => one.load)
  return own.filter((one) => whyNeeded(one.load, { staying, loads }) === undefined).map((one) => one.object)
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

/** Kept loads of the warehouse that are under a tombstone, with their pieces: a backup that comes back may need them. */
export async function deadKept(warehouse: string, standing: Standing, options: ReadOptions): Promise<string[]> {
  const names = new Set<string>()
  for (const name of standing.dead.keys()) {
    if (parseKeptName(name)?.warehouse !== warehouse) continue
    const load = await readKeptIfThere(name, options)
    if (!load) continue
    names.add(name)
    for (const piece of piecesOf(load)) if (standing.dead.has(piece)) names.add(piece)
  }
  return [...names]
}
