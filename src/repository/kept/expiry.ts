// Which kept loads a recovery could still need (doc/design/repository-format.md section 7d).
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { KeptLoad, KeptOutcome } from '../kept-contract.ts'
import type { ObjectInfo } from '../store-contract.ts'
import type { ReadOptions } from '../object/decode.ts'
import type { Root } from '../prune/roots.ts'
import { readKeptIfThere } from './head.ts'
import { KEPT_PREFIX, parseKeptName } from './names.ts'

export interface KeptObject {
  readonly object: string
  readonly modifiedMs: number
  readonly load: KeptLoad
}

export interface KeptFound {
  readonly kept: readonly KeptObject[]
  readonly unreadable: readonly { readonly object: string; readonly warehouse: string; readonly why: string }[]
}

/** Heads are immutable: each is read once. Key: name and length. */
export type KeptCache = Map<string, KeptLoad>

/** All heads that are there, dead or alive. */
export async function readAllKept(options: ReadOptions, cache: KeptCache = new Map()): Promise<KeptFound> {
  const listed: ObjectInfo[] = []
  for await (const object of options.store.list(KEPT_PREFIX, options)) listed.push(object)
  const kept: KeptObject[] = []
  const unreadable: { object: string; warehouse: string; why: string }[] = []
  for (const { name, bytes, modifiedMs } of listed) {
    const warehouse = parseKeptName(name)?.warehouse
    if (warehouse === undefined) continue
    const key = `${name}@${bytes}`
    try {
      const load = cache.get(key) ?? (await readKeptIfThere(name, options))
      if (!load) continue
      cache.set(key, load)
      kept.push({ object: name, modifiedMs, load })
    } catch (error) {
      if (!isWharfError(error) || (error.exit !== 'damaged' && error.code !== 'repository.unknown-format')) throw error
      unreadable.push({ object: name, warehouse, why: messageOf(error) })
    }
  }
  return { kept, unreadable }
}

/** What of a backup decides about loads. */
export type KeptRoot = Pick<
  Root,
  'id' | 'warehouse' | 'systemIdentifier' | 'timeline' | 'replayFromLsn' | 'databases' | 'unloggedTables'
>

/** Both ids begin with their time; positions of one cluster are better. */
function isOlder(root: KeptRoot, load: KeptLoad): boolean {
  if (root.systemIdentifier === load.systemIdentifier) return root.replayFromLsn <= load.lsn
  return root.id.slice(0, 16) <= load.id.slice(0, 16)
}

/** Why it must stay; undefined where no recovery can need it any more. `staying` are the backups of its warehouse that stay; `loads` its kept loads. */
export function whyNeeded(
  load: KeptLoad,
  of: { readonly staying: readonly KeptRoot[]; readonly loads: readonly KeptLoad[] },
): string | undefined {
  const older = of.staying.find((root) => isOlder(root, load))
  if (older) return `backup ${older.id} is not newer`
  if (of.staying.length === 0) return `no backup of ${load.warehouse} is newer`
  const alive = load.unlogged.find(
    (table) => !isGone(table.relation, load, of.staying) && !isReplaced(table.root, load, of),
  )
  return alive && `nothing that is kept has replaced the unlogged table ${alive.relation} since`
}

/** No backup that stays has it as an unlogged table: dropped, renamed, or logged since. All of them are newer than the load. */
function isGone(relation: string, load: KeptLoad, staying: readonly KeptRoot[]): boolean {
  return staying.every(
    (root) => root.databases.has(load.database) && !root.unloggedTables.has(`${load.database}.${relation}`),
  )
}

/**
 * A later load emptied it first, is known to have committed (one after it found it in the journal), and no backup that stays is older than that. Only on the
 * newest timeline: elsewhere the history may have gone on without it.
 */
function isReplaced(
  table: string,
  load: KeptLoad,
  of: { readonly staying: readonly KeptRoot[]; readonly loads: readonly KeptLoad[] },
): boolean {
  const same = of.loads.filter(
    (one) => one.systemIdentifier === load.systemIdentifier && one.database === load.database,
  )
  const clusters = of.staying.filter((one) => one.systemIdentifier === load.systemIdentifier)
  const newest = Math.max(...[...clusters, ...same].map((one) => one.timeline))
  const known = new Set(same.flatMap((one) => one.follows[table] ?? []))
  return same.some(
    (one) =>
      one.timeline === newest &&
      one.lsn > load.lsn &&
      one.replaces.includes(table) &&
      known.has(one.id) &&
      !of.staying.some((root) => isOlder(root, one)),
  )
}

/** A head of which WAL says that its load never committed: nothing is lost with it. */
export function isLost(outcome: KeptOutcome): boolean {
  return outcome.state === 'aborted' || outcome.state === 'absent'
}
