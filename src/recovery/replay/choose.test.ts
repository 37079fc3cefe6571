import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { KeptLoad, KeptOutcome } from '../../repository/contract.ts'
import { choose, type ChooseOptions, type DatabaseState } from './choose.ts'

const plain: ChooseOptions = { after: false, unknown: false, except: [], overwrite: false }

function load(id: string, lsn: bigint, more: Partial<KeptLoad> & { readonly run?: string } = {}): KeptLoad {
  const { run = id, ...rest } = more
  return {
    id,
    warehouse: 'dw',
    database: 'mart',
    systemIdentifier: 1n,
    timeline: 1,
    postgresVersion: 180_000,
    madeBy: '0',
    lsn,
    xid: 7n,
    keptMs: 0,
    workMs: 10,
    role: 'r',
    settings: {},
    isolation: 'read committed',
    parameters: {},
    steps: [{ kind: 'statement', sql: 'select 1' }],
    journal: {
      pipeline: 'p',
      task: 't',
      runId: run,
      item: '',
      token: '1',
      businessDate: null,
      startedAt: '',
      logged: false,
      rows: 1,
      inputs: [],
      written: { 's.a': 1 },
    },
    unlogged: [{ relation: 's.a', root: 's.a' }],
    alsoLogged: [],
    replaces: [],
    reads: [],
    follows: { 's.a': null },
    file: null,
    ...rest,
  }
}

interface Given {
  readonly journal?: readonly string[]
  readonly replayed?: readonly string[]
  readonly filled?: readonly string[]
  readonly outcomes?: Readonly<Record<string, KeptOutcome>>
  readonly options?: Partial<ChooseOptions>
  readonly logged?: readonly string[]
}

function chosen(loads: readonly KeptLoad[], given: Given = {}) {
  const journal = given.journal ?? loads.map((one) => one.id)
  const tables = ['s.a', 's.b', 'core.c'].map((relation) => {
    const unlogged = relation !== 'core.c' && !(given.logged ?? []).includes(relation)
    return [relation, { root: relation, unlogged, empty: !(given.filled ?? []).includes(relation) }] as const
  })
  const state: DatabaseState = {
    database: 'mart',
    journal: new Set(journal),
    tables: new Map(tables),
    replayed: new Set(given.replayed ?? []),
    writers: journal.map((id) => ({
      id,
      pipeline: 'p',
      task: 't',
      item: '',
      committedAt: '',
      targets: Object.keys(loads.find((one) => one.id === id)?.journal.written ?? { 's.a': 1 }),
      inputs: ['x.csv'],
    })),
  }
  const outcomes = new Map(Object.entries(given.outcomes ?? {}))
  const { replay, left, filled, outside } = choose(
    { loads, states: new Map([['mart', state]]), outcomes },
    { ...plain, ...given.options },
  )
  return {
    replay: replay.map(
      (one) => `${one.load.id} ${one.mode}${one.empty.length === 0 ? '' : ` empties ${one.empty.join()}`}`,
    ),
    left: left.map((one) => `${one.id}: ${one.why}`),
    filled,
    outside: outside.filter((one) => !one.table.endsWith('s.b')).map((one) => one.why),
  }
}

const committed = (lsn: bigint): KeptOutcome => ({ state: 'committed', lsn, timeUs: 0n })

test('what the journal holds and the unlogged tables lack, in order, from the last time they were emptied', () => {
  assert.deepEqual(chosen([load('two', 20n), load('one', 10n)]).replay, ['one unlogged', 'two unlogged'])
  const replacing = chosen([load('one', 10n), load('two', 20n, { replaces: ['s.a'] }), load('three', 30n)])
  assert.deepEqual(replacing.replay, ['two unlogged', 'three unlogged'])
  assert.deepEqual(replacing.left, ['one: a later load replaced what it wrote'])
  assert.deepEqual(replacing.outside, [])
  // Of two tables one is replaced: the load is needed for the other.
  const both = { unlogged: ['s.a', 's.b'].map((relation) => ({ relation, root: relation })) }
  assert.deepEqual(chosen([load('one', 10n, both), load('two', 20n, { replaces: ['s.a'] })]).replay, [
    'one unlogged',
    'two unlogged',
  ])
})

test('a load whose rows another one used that is run again is run before it, though they were replaced since', () => {
  const staging = (id: string, lsn: bigint) => load(id, lsn, { replaces: ['s.a'] })
  const history = (id: string, lsn: bigint) => {
    const unlogged = [{ relation: 's.b', root: 's.b' }]
    const plainLoad = load(id, lsn)
    return { ...plainLoad, unlogged, reads: ['s.a'], journal: { ...plainLoad.journal, written: { 's.b': 1 } } }
  }
  const nights = [staging('a1', 10n), history('b1', 20n), staging('a2', 30n), history('b2', 40n), staging('a3', 50n)]
  assert.deepEqual(
    chosen(nights).replay,
    ['a1', 'b1', 'a2', 'b2', 'a3'].map((id) => `${id} unlogged`),
  )
  // Once the reader is there, its rows are not needed any more.
  assert.deepEqual(chosen(nights, { replayed: ['a1 s.a', 'b1 s.b'] }).replay, [
    'a2 unlogged',
    'b2 unlogged',
    'a3 unlogged',
  ])
  // A reader that is replaced itself needs nothing.
  const rebuilt = { ...history('b3', 60n), replaces: ['s.b'] }
  assert.deepEqual(chosen([...nights, rebuilt]).replay, ['a3 unlogged', 'b3 unlogged'])
})

test('what a server left behind with an old timeline is not brought back by --after', () => {
  const loads = [load('undone', 20n), load('held', 15n, { timeline: 2 }), load('late', 30n, { timeline: 2 })]
  const outcomes = { undone: committed(21n), late: committed(31n) }
  const found = chosen(loads, { journal: ['held'], outcomes, options: { after: true } })
  assert.deepEqual(found.replay, ['held unlogged', 'late after'])
  assert.deepEqual(found.left, [
    "undone: it committed on timeline 1, which this server's history left before it came to 2",
  ])
})

test('nothing twice: neither what was replayed, nor what a load emptied that was replayed', () => {
  const loads = [load('one', 10n), load('two', 20n, { replaces: ['s.a'] }), load('three', 30n)]
  assert.deepEqual(chosen(loads, { replayed: ['two s.a'], filled: ['s.a'] }).replay, ['three unlogged'])
  assert.deepEqual(chosen(loads, { replayed: ['two s.a', 'three s.a'], filled: ['s.a'] }).replay, [])
  assert.deepEqual(chosen([load('one', 10n)], { filled: ['s.a'] }).filled, ['mart.s.a'])
  assert.deepEqual(chosen([load('one', 10n)], { filled: ['s.a'], options: { overwrite: true } }).replay, [
    'one unlogged empties s.a',
  ])
  // A load that empties the table itself may.
  assert.deepEqual(chosen(loads.slice(1), { filled: ['s.a'] }).filled, [])
  assert.deepEqual(chosen([load('one', 10n)], { logged: ['s.a'] }).replay, [])
})

test('what did not commit is never replayed; what came after the target only if asked for, by its commit', () => {
  const loads = [load('held', 10n), load('late', 30n), load('later', 20n), load('rolled back', 25n)]
  const outcomes = { late: committed(31n), later: committed(50n), 'rolled back': { state: 'aborted' } as const }
  assert.deepEqual(chosen(loads, { journal: ['held'], outcomes }).replay, ['held unlogged'])
  assert.deepEqual(chosen(loads, { journal: ['held'], outcomes, options: { after: true } }).replay, [
    'held unlogged',
    'late after',
    'later after',
  ])
  const doubtful = [load('first try', 10n, { run: 'r' }), load('second try', 20n, { run: 'r' })]
  const unknown = { 'first try': { state: 'unknown' } as const, 'second try': { state: 'unknown' } as const }
  assert.deepEqual(chosen(doubtful, { journal: [], outcomes: unknown }).replay, [])
  assert.deepEqual(chosen(doubtful, { journal: [], outcomes: unknown }).left, [
    'second try: whether it committed is not known: the WAL that would tell is not there (--unknown)',
  ])
  assert.deepEqual(chosen(doubtful, { journal: [], outcomes: unknown, options: { unknown: true } }).replay, [
    'second try after',
  ])
  // The newest try is in the journal: the one before it never was.
  assert.deepEqual(chosen(doubtful, { journal: ['second try'], outcomes: unknown }).left, [])
})

test('what cannot be replayed is named, with the tables that are not whole for it', () => {
  const mixed = chosen([load('one', 10n, { alsoLogged: ['core.c'] })])
  assert.deepEqual(mixed.replay, [])
  assert.deepEqual(mixed.left, ['one: it also wrote core.c, which came back: run again it would write there twice'])
  assert.deepEqual(mixed.outside, ['load one (p/t, from x.csv) is not replayed: run it again by hand'])
  const lost = chosen([load('two', 20n)], { journal: ['one', 'two'] })
  assert.deepEqual(lost.outside, ['load one (p/t, from x.csv) is not kept: run it again by hand'])
  const except = chosen([load('one', 10n), load('two', 20n)], { options: { except: ['one'] } })
  assert.deepEqual([except.replay, except.left], [['two unlogged'], ['one: it is left out by --except']])
  const steps = [{ kind: 'command', argv: ['make', 'it'], folder: '/srv', variables: [] }] as const
  assert.deepEqual(chosen([load('one', 10n, { steps, xid: undefined })], { journal: [] }).left, [
    'one: a command cannot be replayed: run it by hand',
  ])
})
