// Which kept loads are run again on a recovered server, in which order, and which are not and why. Pure.
import { shellQuoted } from '../../base/shell.ts'
import type { KeptLoad, KeptOutcome } from '../../repository/contract.ts'

/** What a database of the recovered server says. Relations are `schema.table`. */
export interface DatabaseState {
  readonly database: string
  /** Loads of the journal that the server holds, among those that were asked for. */
  readonly journal: ReadonlySet<string>
  /** Loads of the journal that wrote unlogged tables, kept or not, in order of their commits. */
  readonly writers: readonly JournaledWriter[]
  /** Tables that there are: root and whether its storage is unlogged. */
  readonly tables: ReadonlyMap<string, TableState>
  /** `<load> <root>`: what is there already, from an earlier replay or a copy. */
  readonly replayed: ReadonlySet<string>
}

export interface JournaledWriter {
  readonly id: string
  readonly pipeline: string
  readonly task: string
  readonly item: string
  readonly committedAt: string
  readonly targets: readonly string[]
  readonly inputs: readonly string[]
}

export interface TableState {
  readonly root: string
  readonly unlogged: boolean
  readonly empty: boolean
}

export interface ChooseOptions {
  /** Also loads that committed after the point of the recovery, logged or not. */
  readonly after: boolean
  /** Also those whose commit WAL does not tell. */
  readonly unknown: boolean
  readonly except: readonly string[]
  /** Whether rows that are there may go. */
  readonly overwrite: boolean
}

export interface Chosen {
  readonly load: KeptLoad
  /** `unlogged`: it is in the journal, its unlogged tables are not. `after`: it is not in the journal. */
  readonly mode: 'unlogged' | 'after'
  /** Tables that are emptied before it, since rows may go. */
  readonly empty: readonly string[]
}

export interface LeftLoad {
  readonly id: string
  readonly what: string
  /** `by hand`: its effect is missing. `not needed`: nothing is. */
  readonly state: 'by hand' | 'not needed'
  readonly why: string
  /** Unlogged tables that lack it. */
  readonly tables: readonly string[]
  readonly command?: string
}

export interface Choice {
  readonly replay: readonly Chosen[]
  readonly left: readonly LeftLoad[]
  /** Tables that hold rows though nothing was replayed into them: `database.schema.table`. */
  readonly filled: readonly string[]
  /** Unlogged tables that nothing kept brings back, with why. */
  readonly outside: readonly { readonly table: string; readonly why: string }[]
}

export interface Candidates {
  readonly loads: readonly KeptLoad[]
  readonly states: ReadonlyMap<string, DatabaseState>
  readonly outcomes: ReadonlyMap<string, KeptOutcome>
}

export const nameOf = ({ journal }: Pick<KeptLoad, 'journal'>): string =>
  `${journal.pipeline}/${journal.task}${journal.item === '' ? '' : ` ${journal.item}`}`

/** Replayed before: what it emptied stays emptied. */
interface Done {
  readonly load: KeptLoad
  readonly mode: 'done'
}
const REPLAYED = 'it was replayed before'

/** Rebuilt from the tables' point of view: of each unlogged table everything since a load emptied it last. */
export function choose(candidates: Candidates, options: ChooseOptions): Choice {
  const left: LeftLoad[] = []
  const wanted: (Chosen | Done)[] = []
  for (const load of inOrderOfCommit(candidates)) {
    const state = candidates.states.get(load.database)
    if (!state) continue
    const verdict = options.except.includes(load.id)
      ? hand(load, state, 'it is left out by --except')
      : judge(load, state, { ...candidates, options })
    if (verdict === undefined) continue
    if ('mode' in verdict) wanted.push(verdict)
    else left.push(verdict)
    if ('mode' in verdict || verdict.why !== REPLAYED) continue
    wanted.push({ load, mode: 'done' })
  }
  const { kept, superseded } = withoutReplaced(wanted, candidates.states)
  left.push(...superseded)
  const { replay, filled } = withEmptying(kept, candidates.states, options.overwrite)
  return { replay, left, filled, outside: outsideOf(candidates, kept, superseded) }
}

/** Those that the server holds by their positions, then those after it by their commits. */
function inOrderOfCommit({ loads, states, outcomes }: Candidates): readonly KeptLoad[] {
  const held = (one: KeptLoad): boolean => states.get(one.database)?.journal.has(one.id) === true
  const place = (one: KeptLoad): bigint => {
    const outcome = outcomes.get(one.id)
    return outcome?.state === 'committed' ? outcome.lsn : one.lsn
  }
  const by = (key: (one: KeptLoad) => bigint) => (one: KeptLoad, other: KeptLoad) =>
    key(one) < key(other) ? -1 : key(one) > key(other) ? 1 : 0
  return [
    ...loads.filter(held).toSorted(by((one) => one.lsn)),
    ...loads.filter((one) => !held(one)).toSorted(by(place)),
  ]
}

type Verdict = Chosen | LeftLoad | undefined

function judge(load: KeptLoad, state: DatabaseState, of: Candidates & { readonly options: ChooseOptions }): Verdict {
  if (load.steps.some((step) => step.kind === 'command')) return judgeCommand(load, state, of)
  return state.journal.has(load.id) ? judgeHeld(load, state) : judgeAfter(load, state, of)
}

/** Unlogged tables of it that are there and still unlogged, by their roots. */
function lostTables(load: KeptLoad, state: DatabaseState): readonly string[] {
  const roots = load.unlogged.filter(({ relation }) => state.tables.get(relation)?.unlogged).map((one) => one.root)
  return [...new Set(roots)]
}

function judgeHeld(load: KeptLoad, state: DatabaseState): Verdict {
  const lost = lostTables(load, state)
  if (lost.length === 0) return undefined
  const there = lost.filter((root) => state.replayed.has(`${load.id} ${root}`))
  if (there.length === lost.length) return leave(load, { state: 'not needed', why: REPLAYED })
  if (there.length > 0) return hand(load, state, `of its tables only ${there.join(', ')} came back otherwise`)
  const logged = load.alsoLogged.filter((relation) => state.tables.get(relation)?.unlogged === false)
  if (logged.length > 0)
    return hand(
      load,
      state,
      `it also wrote ${logged.join(', ')}, which came back: run again it would write there twice`,
    )
  const changed = load.unlogged.filter(({ relation }) => state.tables.get(relation)?.unlogged === false)
  if (changed.length > 0) return hand(load, state, `${changed[0]!.relation} is logged now, and came back`)
  const missing = load.unlogged.find(({ relation }) => !state.tables.has(relation))
  if (missing && load.steps.some((step) => step.kind === 'copy'))
    return hand(load, state, `its table ${missing.relation} is not there any more`)
  return { load, mode: 'unlogged', empty: [] }
}

function judgeAfter(
  load: KeptLoad,
  state: DatabaseState,
  of: Candidates & { readonly options: ChooseOptions },
): Verdict {
  const { outcomes, options } = of
  const outcome = outcomes.get(load.id)
  if (!outcome || outcome.state === 'aborted' || outcome.state === 'absent') return undefined
  if (outcome.state === 'unknown') {
    // Of several attempts at one thing the newest counts.
    const newer = of.loads.some((one) => sameThing(one, load) && one.lsn > load.lsn)
    if (newer) return undefined
    if (!options.unknown)
      return hand(load, state, 'whether it committed is not known: the WAL that would tell is not there (--unknown)')
  } else if (!options.after) return undefined
  const timeline = newestHeld(of)
  if (load.timeline < timeline) {
    const why = `it committed on timeline ${load.timeline}, which this server's history left before it came to ${timeline}`
    return hand(load, state, why)
  }
  return { load, mode: 'after', empty: [] }
}

/** Whatever committed on an older timeline and is not in the journal was left behind with it: the server's own history has come by the newer one. */
function newestHeld({ loads, states }: Candidates): number {
  const held = loads.filter((one) => states.get(one.database)?.journal.has(one.id) === true)
  return held.reduce((most, one) => Math.max(most, one.timeline), 0)
}

const sameThing = (one: KeptLoad, other: KeptLoad): boolean =>
  one.id !== other.id &&
  one.journal.runId === other.journal.runId &&
  one.journal.task === other.journal.task &&
  one.journal.item === other.journal.item

function judgeCommand(load: KeptLoad, state: DatabaseState, { options }: { options: ChooseOptions }): Verdict {
  if (!options.after && load.journal.logged) return undefined
  const step = load.steps.find((one) => one.kind === 'command')!
  const command = `(cd ${word(step.folder)} && ${step.argv.map(word).join(' ')})`
  return { ...hand(load, state, 'a command cannot be replayed: run it by hand'), command }
}

/** For a shell, quoted only where it must be. */
function word(text: string): string {
  return /^[A-Za-z0-9_.,:=@%+/-]+$/.test(text) ? text : shellQuoted(text)
}

function hand(load: KeptLoad, state: DatabaseState, why: string): LeftLoad {
  return leave(load, { state: 'by hand', why, tables: lostTables(load, state) })
}

function leave(load: KeptLoad, as: { state: LeftLoad['state']; why: string; tables?: readonly string[] }): LeftLoad {
  return { id: load.id, what: nameOf(load), tables: [], ...as }
}

/**
 * From the last one back: a load all of whose tables are emptied by a later one that is replayed as well, or was, is not needed, unless one between them that
 * is replayed has a use for what it wrote.
 */
function withoutReplaced(
  wanted: readonly (Chosen | Done)[],
  states: Candidates['states'],
): { kept: readonly Chosen[]; superseded: readonly LeftLoad[] } {
  const emptied = new Set<string>()
  const kept: Chosen[] = []
  const superseded: LeftLoad[] = []
  for (const one of wanted.toReversed()) {
    const { load } = one
    const state = states.get(load.database)!
    const isEmptied = (root: string): boolean => emptied.has(`${load.database}.${root}`)
    if (one.mode === 'unlogged' && lostTables(load, state).every(isEmptied)) {
      superseded.push(leave(load, { state: 'not needed', why: 'a later load replaced what it wrote' }))
      continue
    }
    if (one.mode !== 'done') {
      kept.push(one)
      for (const root of usedBy(load, state)) emptied.delete(`${load.database}.${root}`)
    }
    for (const root of load.replaces) emptied.add(`${load.database}.${root}`)
  }
  return { kept: kept.toReversed(), superseded: superseded.toReversed() }
}

/** Roots of the tables whose rows a load may read: what it wrote it may have read as well. What it replaces it emptied before. */
function usedBy(load: KeptLoad, state: DatabaseState): readonly string[] {
  const read = load.reads.map((relation) => state.tables.get(relation)?.root ?? relation)
  return [...read, ...Object.keys(load.journal.written)]
}

/** Nothing is added to rows of which nobody knows whose they are. */
function withEmptying(
  chosen: readonly Chosen[],
  states: Candidates['states'],
  overwrite: boolean,
): { replay: readonly Chosen[]; filled: readonly string[] } {
  const begun = new Set<string>()
  for (const [database, state] of states)
    for (const one of state.replayed) begun.add(`${database}.${one.slice(one.indexOf(' ') + 1)}`)
  const filled = new Set<string>()
  const replay = chosen.map((one) => {
    if (one.mode === 'after') return one
    const state = states.get(one.load.database)!
    const empty: string[] = []
    for (const root of lostTables(one.load, state)) {
      const name = `${one.load.database}.${root}`
      if (begun.has(name)) continue
      begun.add(name)
      if (one.load.replaces.includes(root) || isEmpty(root, state)) continue
      if (overwrite) empty.push(root)
      else filled.add(name)
    }
    return { ...one, empty }
  })
  return { replay, filled: [...filled] }
}

function isEmpty(root: string, state: DatabaseState): boolean {
  return [...state.tables.values()].every((table) => table.root !== root || !table.unlogged || table.empty)
}

/** Unlogged tables of which something is missing from what is kept. */
function outsideOf(
  { loads, states }: Candidates,
  chosen: readonly Chosen[],
  superseded: readonly LeftLoad[],
): Choice['outside'] {
  const outside: { table: string; why: string }[] = []
  for (const state of states.values()) {
    const roots = new Set([...state.tables.values()].filter((one) => one.unlogged).map((one) => one.root))
    for (const root of roots) {
      const why = whyOutside(root, state, { loads, chosen, superseded })
      if (why !== undefined) outside.push({ table: `${state.database}.${root}`, why })
    }
  }
  return outside
}

function whyOutside(
  root: string,
  state: DatabaseState,
  of: { loads: readonly KeptLoad[]; chosen: readonly Chosen[]; superseded: readonly LeftLoad[] },
): string | undefined {
  const kept = new Map(of.loads.map((one) => [one.id, one]))
  const writers = state.writers.filter((one) => one.targets.includes(root))
  if (writers.length === 0) return 'no load of the journal wrote it: whoever did must write it again'
  const lastReplace = writers.findLastIndex((one) => kept.get(one.id)?.replaces.includes(root))
  const covered = new Set([...of.chosen.map((one) => one.load.id), ...of.superseded.map((one) => one.id)])
  const missing = writers
    .slice(Math.max(0, lastReplace))
    .filter((one) => !covered.has(one.id) && !state.replayed.has(`${one.id} ${root}`))
  if (missing.length === 0) return undefined
  const [first] = missing
  const more = missing.length === 1 ? '' : ` and ${missing.length - 1} more`
  const whyNot = kept.has(first!.id) ? 'is not replayed' : 'is not kept'
  const inputs = first!.inputs.length === 0 ? '' : `, from ${first!.inputs.slice(0, 3).join(', ')}`
  return `load ${first!.id} (${first!.pipeline}/${first!.task}${inputs})${more} ${whyNot}: run it again by hand`
}
