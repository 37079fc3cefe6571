// What a tombstone may do to an object by now: the rules of the second phase (doc/design/repository-format.md section 12). Pure.
import { whyNeeded, type KeptFound } from '../kept/expiry.ts'
import { piecesOf } from '../kept/head.ts'
import { parseKeptName } from '../kept/names.ts'
import { manifestName } from '../manifest/store.ts'
import { holds, parseTrimmedName, type TrimmedPack } from '../pack/trimmed.ts'
import { parseChunkName } from '../wal/names.ts'
import type { ExtentsByPack } from './extents.ts'
import type { AtWork } from './leases.ts'
import { deletableKind, objectOf, supersededName } from './names.ts'
import { namedAs, needsWal, type Root, type Roots } from './roots.ts'
import { MARGIN_MS, mayCount, type Standing, type Tombstone } from './standing.ts'

/** All that decides about a deletion, listed in this order. */
export interface Look {
  readonly atWork: readonly AtWork[]
  readonly standing: Standing
  /** Backup → why it is held. */
  readonly held: ReadonlyMap<string, { readonly why: string; readonly wal: 'own' | 'since' }>
  readonly roots: Roots
  /** Only for a step that deletes something of them. */
  readonly kept: (KeptFound & { readonly lost: ReadonlySet<string> }) | undefined
  readonly nowMs: number
  /** Only for a step that deletes packs that were trimmed. */
  readonly trimmed?: TrimmedLook
}

export interface TrimmedLook {
  /** What manifests name of these packs. */
  readonly named: ExtentsByPack
  readonly carriers: ReadonlyMap<string, readonly TrimmedPack[]>
}

/** `done`: it is gone, or this tombstone has no say about it any more. */
type Verdict = { readonly do: 'delete' | 'done' } | { readonly do: 'leave'; readonly why: string }
const DELETE: Verdict = { do: 'delete' }
const DONE: Verdict = { do: 'done' }
const leave = (why: string): Verdict => ({ do: 'leave', why })

/** Whether this object may go now, because of this tombstone. */
export function judge(name: string, tombstone: Tombstone, look: Look): Verdict {
  if (!look.standing.tombstones.some((one) => one.tombstone === tombstone.tombstone)) return DONE
  if (look.standing.isRevived(tombstone, name)) return DONE
  if (look.nowMs < tombstone.matureMs) return leave('its grace period is not over')
  const unread = look.standing.unreadRevivals.find((one) => mayCount(one.atMs, tombstone))
  if (unread) return leave(`${unread.object} cannot be read, and may have brought it back`)
  const worker = look.atWork.find((one) => one.startedMs < tombstone.sinceMs + MARGIN_MS)
  if (worker) return leave(`${worker.who} began before it expired`)
  const kind = deletableKind(name)
  if (kind === 'manifest' || kind === 'confirmation') return judgeBackup(name, look)
  if (look.roots.unreadable.length > 0)
    return leave(`${look.roots.unreadable[0]!.object} cannot be read, and may need it`)
  if (kind === 'superseded') return judgeSuperseded(name, look)
  if (kind === 'kept') return judgeKept(name, look)
  if (kind === 'input') return judgeInput(name, look)
  return kind === 'wal' ? judgeWal(name, look) : judgeData(name, look)
}

/** Manifests that are there and not dead, or held. */
function staying(look: Look): readonly Root[] {
  return look.roots.roots.filter((root) => !look.standing.dead.has(root.object) || look.held.has(root.id))
}

/** Ids begin with the time of the store's clock. */
function judgeBackup(name: string, look: Look): Verdict {
  const [, warehouse, id] = name.split('/') as [string, string, string]
  const hold = look.held.get(id)
  if (hold) return leave(`it is held: ${hold.why}`)
  const own = look.roots.roots.find((root) => root.id === id && root.warehouse === warehouse)
  // Gone already, or damaged: then any other backup of the warehouse will do, for nothing can be restored from this one.
  if (!own) {
    const damaged = look.roots.unreadable.some((one) => one.object === manifestName(warehouse, id))
    const other = staying(look).some((root) => root.warehouse === warehouse)
    return damaged && !other ? leave(`no other backup of ${warehouse} is there`) : DELETE
  }
  const newer = staying(look).some((root) => root.warehouse === warehouse && root.id > own.id)
  return newer ? DELETE : leave(`no newer backup of ${warehouse} is there`)
}

/** As long as any manifest names it, dead or alive, it stays. A living one takes it over for good. */
function judgeData(name: string, look: Look): Verdict {
  const naming = look.roots.roots.filter((root) => root.names.has(namedAs(name)))
  if (naming.length === 0) return DELETE
  const alive = naming.find((root) => !look.standing.dead.has(root.object))
  return alive ? DONE : leave(`${naming[0]!.object} needs it and is not deleted yet`)
}

/** Gone already, needed after all, or not needed: also what a dead worker left, of which nothing committed. */
function judgeKept(name: string, look: Look): Verdict {
  const { kept, unreadable, lost } = look.kept!
  const own = kept.find((one) => one.object === name)?.load
  const warehouse = parseKeptName(name)!.warehouse
  const bad = unreadable.find((one) => one.warehouse === warehouse)
  if (bad) return leave(`${bad.object} cannot be read`)
  if (!own || lost.has(name)) return DELETE
  const loads = kept.flatMap(({ object, load }) =>
    load.warehouse === warehouse && !look.standing.dead.has(object) ? [load] : [],
  )
  const why = whyNeeded({ staying: staying(look).filter((root) => root.warehouse === warehouse), loads })(own)
  return why === undefined ? DELETE : leave(why)
}

/** As a pack by manifests, a piece stays as long as any kept load names it. */
function judgeInput(name: string, look: Look): Verdict {
  const { kept, unreadable } = look.kept!
  if (unreadable.length > 0) return leave(`${unreadable[0]!.object} cannot be read, and may need it`)
  const naming = kept.filter((one) => piecesOf(one.load).includes(name))
  if (naming.length === 0) return DELETE
  const alive = naming.find((one) => !look.standing.dead.has(one.object))
  return alive ? DONE : leave(`${naming[0]!.object} needs it and is not deleted yet`)
}

export const isOfKept = (name: string): boolean => ['kept', 'input'].includes(deletableKind(name) ?? '')

export const packOf = (name: string): string => parseTrimmedName(objectOf(name))?.pack ?? objectOf(name).slice(-32)

/** Everything that any manifest names of it lies in a newer one that is not to go as well. */
function judgeSuperseded(name: string, look: Look): Verdict {
  if (!look.trimmed) return leave('a map cannot be read that may need it')
  const { named, carriers } = look.trimmed
  const pack = packOf(name)
  const generation = parseTrimmedName(objectOf(name))?.generation ?? 0
  const going = new Set(look.standing.tombstones.flatMap((one) => one.objects))
  const newer = carriers
    .get(pack)!
    .filter((one) => parseTrimmedName(one.name)!.generation > generation && !going.has(supersededName(one.name)))
  const needed = [...(named.get(pack)?.values() ?? [])]
  // Something needs more of it: it stays for good, until it is trimmed anew.
  return newer.some((one) => needed.every((ref) => holds(one, ref))) ? DELETE : DONE
}

function judgeWal(name: string, look: Look): Verdict {
  const chunk = parseChunkName(name)
  if (!chunk) return leave('its name is not understood')
  const stay = staying(look)
  const held = stay.find(
    (root) =>
      look.held.get(root.id)?.wal === 'since' &&
      root.systemIdentifier === chunk.systemIdentifier &&
      chunk.endLsn > root.replayFromLsn,
  )
  const needing = held ?? stay.find((root) => needsWal(root, chunk))
  return needing ? leave(`backup ${needing.id} needs it`) : DELETE
}
