// Whether kept loads bring an unlogged table back: from the newest load that wrote it, each load names the one before it. Pure.
import type { KeptLoad } from '../../repository/contract.ts'
import type { UnloggedTable } from './survey.ts'

export interface Replayable {
  /** Loads that a replay would run for it. */
  readonly loads: number
  /** What is missing; null where nothing is. */
  readonly missing: string | null
  /** How long they took when they ran first. */
  readonly firstMs: number
}

/** Undefined where no load that is kept wrote it. */
export function replayableFrom(table: UnloggedTable, kept: ReadonlyMap<string, KeptLoad>): Replayable | undefined {
  let [loads, firstMs] = [0, 0]
  const name = `${table.schema}.${table.name}`
  const done = (missing: string | null): Replayable | undefined =>
    loads === 0 ? undefined : { loads, missing, firstMs }
  for (let id: string | null | undefined = table.lastLoad?.id; id;) {
    const load = kept.get(id)
    if (!load || load.database !== table.database) return done(`load ${id} is not kept`)
    if (load.alsoLogged.length > 0) return done(`load ${id} also wrote ${load.alsoLogged.join(', ')}, which is logged`)
    const root: string = load.unlogged.find((one) => one.relation === name)?.root ?? table.root
    loads++
    firstMs += load.workMs
    if (load.replaces.includes(root)) return done(null)
    id = load.follows[root]
    if (id === undefined) return done(`load ${load.id} does not say what was there before it`)
  }
  return done(null)
}
