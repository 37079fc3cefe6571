// What replay would bring back after a recovery, told from the repository alone: before there is a server to ask.
import type { KeptLoad, KeptOutcome, Manifest, Repository } from '../../repository/contract.ts'
import type { RecoveryRecord } from '../rates/times.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { choose, type DatabaseState, type TableState } from './choose.ts'
import { estimateReplay } from './estimate.ts'

export interface ReplayOutlook {
  readonly loads: number
  /** Unlogged tables that come back whole, as far as kept loads tell; and those that do not. */
  readonly tables: readonly string[]
  readonly missing: readonly string[]
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  readonly basis: 'measured' | 'assumed'
}

export interface OutlookOf {
  readonly warehouse: string
  readonly manifest: Manifest
  readonly resolved: Pick<ResolvedTarget, 'stop'>
  readonly records: readonly RecoveryRecord[]
  readonly signal: AbortSignal
}

/** Undefined where nothing of the cluster is kept. */
export async function replayOutlook(repository: Repository, of: OutlookOf): Promise<ReplayOutlook | undefined> {
  const { manifest, warehouse, signal } = of
  const kept = await repository.kept.list(warehouse, signal, { onDamaged: () => {} })
  const loads = kept.filter((one) => one.systemIdentifier === manifest.systemIdentifier)
  if (loads.length === 0) return undefined
  const held = await heldAt(loads, repository, of)
  const states = statesOf(held, manifest)
  const { replay, outside } = choose(
    { loads: held, states, outcomes: new Map<string, KeptOutcome>() },
    { after: false, unknown: false, except: [], overwrite: true },
  )
  const missing = outside.map((one) => one.table)
  const all = [...states].flatMap(([database, state]) =>
    [...state.tables.values()].filter((one) => one.unlogged).map((one) => `${database}.${one.root}`),
  )
  const tables = [...new Set(all)].filter((name) => !missing.includes(name)).toSorted()
  const { expectedMs, lowMs, highMs, basis } = estimateReplay(
    replay.map((one) => one.load),
    of,
  )
  return { loads: replay.length, tables, missing, expectedMs, lowMs, highMs, basis }
}

/** Those that committed at or before the target. Of a load that another one found in the journal that is known without WAL. */
async function heldAt(loads: readonly KeptLoad[], repository: Repository, of: OutlookOf): Promise<readonly KeptLoad[]> {
  const followed = new Set(loads.flatMap((one) => Object.values(one.follows)))
  const { lsn } = of.resolved.stop
  const held: KeptLoad[] = []
  for (const load of loads) {
    if (load.lsn > lsn) continue
    // Long before the target: whatever followed it is before it too.
    if (followed.has(load.id) && loads.some((one) => one.lsn <= lsn && Object.values(one.follows).includes(load.id))) {
      held.push(load)
      continue
    }
    const outcome = await repository.kept.outcome(load, of.signal)
    if (outcome.state === 'committed' && outcome.lsn <= lsn) held.push(load)
  }
  return held
}

/** As the backup knew the databases: tables that came later show by the loads that wrote them. */
function statesOf(held: readonly KeptLoad[], manifest: Manifest): ReadonlyMap<string, DatabaseState> {
  const states = new Map<string, Map<string, TableState>>()
  const add = (database: string, relation: string, root: string): void => {
    const tables = states.get(database) ?? new Map<string, TableState>()
    states.set(database, tables.set(relation, { root, unlogged: true, empty: true }))
  }
  const roots = new Map(
    held.flatMap((load) => load.unlogged.map((one) => [`${load.database}.${one.relation}`, one.root] as const)),
  )
  for (const { database, schema, name, kind, persistence } of manifest.relations) {
    if (persistence !== 'u' || kind !== 'r' || schema === 'wharf') continue
    add(database, `${schema}.${name}`, roots.get(`${database}.${schema}.${name}`) ?? `${schema}.${name}`)
  }
  for (const load of held) for (const one of load.unlogged) add(load.database, one.relation, one.root)
  return new Map(
    [...states].map(([database, tables]) => {
      const own = held.filter((one) => one.database === database)
      return [
        database,
        { database, tables, replayed: new Set(), journal: new Set(own.map((one) => one.id)), writers: writersOf(own) },
      ]
    }),
  )
}

/** Kept loads and those that they name as having come before them. */
function writersOf(own: readonly KeptLoad[]): DatabaseState['writers'] {
  const known = new Set(own.map((one) => one.id))
  return own.flatMap((load) => {
    const { pipeline, task, item, written, startedAt } = load.journal
    const before = Object.entries(load.follows).flatMap(([relation, id]) =>
      id === null || known.has(id)
        ? []
        : [{ id, pipeline: '?', task: '?', item: '', committedAt: '', targets: [relation], inputs: [] }],
    )
    return [
      ...before,
      { id: load.id, pipeline, task, item, committedAt: startedAt, targets: Object.keys(written), inputs: [] },
    ]
  })
}
