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

export interface KeptNeeds {
  /** Backups of the warehouse that stay. */
  readonly staying: readonly KeptRoot[]
  /** Its kept loads. */
  readonly loads: readonly KeptLoad[]
}

/** Why a load, one of them or another of the warehouse, must stay; undefined where no recovery can need it any more. */
export function whyNeeded(of: KeptNeeds): (load: KeptLoad) => string | undefined {
  const known = new Map<KeptLoad, string | undefined>()
  const histories = new Map<string, TableHistory>()
  const historyOf = (table: Table, load: KeptLoad): TableHistory => {
    const key = JSON.stringify([load.systemIdentifier.toString(), load.database, table.relation, table.root])
    const history = histories.get(key) ?? tableHistory(table, load, of)
    histories.set(key, history)
    return history
  }
  const rest = of.loads.toSorted(byPosition)
  const ask = (load: KeptLoad): void => {
    if (!known.has(load)) known.set(load, judge(load, of, { why: (newer) => known.get(newer), historyOf }))
  }
  return (load) => {
    // The newest first: what a load is asked about is newer than itself, and known then.
    while (rest.length > 0 && rest.at(-1)!.lsn > load.lsn) ask(rest.pop()!)
    ask(load)
    return known.get(load)
  }
}

function byPosition(one: KeptLoad, other: KeptLoad): number {
  return one.lsn < other.lsn ? -1 : one.lsn > other.lsn ? 1 : 0
}

/** Index of the first of them, which are in the order of their positions, that lies behind the load. */
function firstBehind(loads: readonly KeptLoad[], { lsn }: KeptLoad): number {
  let [low, high] = [0, loads.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (loads[middle]!.lsn > lsn) high = middle
    else low = middle + 1
  }
  return low
}

type Table = KeptLoad['unlogged'][number]

/** By position. */
interface TableHistory {
  /** What emptied it for certain, for every backup that stays. */
  readonly replacements: readonly KeptLoad[]
  /** What may have read its rows, and is replayed for what it wrote. */
  readonly users: readonly KeptLoad[]
}

function judge(
  load: KeptLoad,
  of: KeptNeeds,
  tools: { why: (load: KeptLoad) => string | undefined; historyOf: (table: Table, load: KeptLoad) => TableHistory },
): string | undefined {
  const older = of.staying.find((root) => isOlder(root, load))
  if (older) return `backup ${older.id} is not newer`
  if (of.staying.length === 0) return `no backup of ${load.warehouse} is newer`
  for (const table of load.unlogged) {
    if (isGone(table.relation, load, of.staying)) continue
    const { replacements, users } = tools.historyOf(table, load)
    const next = replacements[firstBehind(replacements, load)]
    if (!next) return `nothing that is kept has replaced the unlogged table ${table.relation} since`
    for (let at = firstBehind(users, load); at < users.length && users[at]!.lsn < next.lsn; at++) {
      const user = users[at]!
      if (tools.why(user) !== undefined) return `load ${user.id}, which is needed, used its rows of ${table.relation}`
      // It was asked about the same rows: nobody behind it is needed either.
      if (user.unlogged.some((one) => one.relation === table.relation && one.root === table.root)) break
    }
  }
  return undefined
}

/** No backup that stays has it as an unlogged table: dropped, renamed, or logged since. All of them are newer than the load. */
function isGone(relation: string, load: KeptLoad, staying: readonly KeptRoot[]): boolean {
  return staying.every(
    (root) => root.databases.has(load.database) && !root.unloggedTables.has(`${load.database}.${relation}`),
  )
}

/**
 * A replacement emptied it first, is known to have committed (one after it found it in the journal), and no backup that stays is older than it. Only on the
 * newest timeline, and where no backup of another one stays: there the history may have gone on without it.
 */
function tableHistory(table: Table, load: KeptLoad, of: KeptNeeds): TableHistory {
  const same = of.loads
    .filter((one) => one.systemIdentifier === load.systemIdentifier && one.database === load.database)
    .toSorted(byPosition)
  const roots = of.staying.filter((one) => one.systemIdentifier === load.systemIdentifier)
  const newest = [...roots, ...same].reduce((most, one) => Math.max(most, one.timeline), 0)
  const isStraight = roots.every((root) => root.timeline === newest)
  const known = new Set(same.flatMap((one) => one.follows[table.root] ?? []))
  const replaces = (one: KeptLoad): boolean =>
    one.timeline === newest &&
    one.replaces.includes(table.root) &&
    known.has(one.id) &&
    !of.staying.some((root) => isOlder(root, one))
  return {
    replacements: isStraight ? same.filter(replaces) : [],
    users: same.filter((one) => one.unlogged.length > 0 && uses(one, table)),
  }
}

/** Whether it may have read rows that were there before: what it wrote it may have read as well, unless it emptied it first. */
function uses(one: KeptLoad, { relation, root }: Table): boolean {
  if (one.reads.includes(relation) || one.reads.includes(root)) return true
  return Object.hasOwn(one.journal.written, root) && !one.replaces.includes(root)
}

/** A head of which WAL says that its load never committed: nothing is lost with it. */
export function isLost(outcome: KeptOutcome): boolean {
  return outcome.state === 'aborted' || outcome.state === 'absent'
}
