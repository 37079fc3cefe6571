import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { KeptLoad } from '../kept-contract.ts'
import { whyNeeded, type KeptRoot } from './expiry.ts'

type Wishes = Partial<KeptLoad> & { readonly writes?: readonly string[] }

function load(id: string, lsn: bigint, { writes = ['s.a'], ...more }: Wishes = {}): KeptLoad {
  return {
    id,
    warehouse: 'dw',
    database: 'mart',
    systemIdentifier: 1n,
    timeline: 1,
    lsn,
    journal: { written: Object.fromEntries(writes.map((name) => [name, 1])) },
    unlogged: writes.map((name) => ({ relation: name, root: name })),
    replaces: [],
    reads: [],
    follows: {},
    ...more,
  } as unknown as KeptLoad
}

function backup(id: string, replayFromLsn: bigint, more: Partial<KeptRoot> = {}): KeptRoot {
  return {
    id,
    warehouse: 'dw',
    systemIdentifier: 1n,
    timeline: 1,
    replayFromLsn,
    databases: new Set(['mart']),
    unloggedTables: new Set(['mart.s.a', 'mart.s.b']),
    ...more,
  }
}

function needed(loads: readonly KeptLoad[], staying: readonly KeptRoot[]): Record<string, string> {
  const why = whyNeeded({ loads, staying })
  return Object.fromEntries(loads.flatMap((one) => (why(one) === undefined ? [] : [[one.id, why(one)!]])))
}

const nothing = (table: string): string => `nothing that is kept has replaced the unlogged table ${table} since`

test('what was replaced is needed as long as a load is that used its rows', () => {
  const staging = (id: string, lsn: bigint, before: string | null) =>
    load(id, lsn, { replaces: ['s.a'], follows: { 's.a': before } })
  const append = load('b1', 20n, { writes: ['s.b'], reads: ['s.a'], follows: { 's.b': null } })
  const nights = [staging('a1', 10n, null), staging('a2', 30n, 'a1'), staging('a3', 40n, 'a2')]
  const newer = [backup('new', 50n)]
  assert.deepEqual(Object.keys(needed(nights, newer)), ['a2', 'a3'], 'whether a3 committed nobody knows')
  assert.deepEqual(needed([...nights, append], newer), {
    a1: 'load b1, which is needed, used its rows of s.a',
    a2: nothing('s.a'),
    a3: nothing('s.a'),
    b1: nothing('s.b'),
  })
  // The one that used them goes, and all that it needed with it.
  const rebuilt = [
    load('b2', 45n, { writes: ['s.b'], replaces: ['s.b'], follows: { 's.b': 'b1' } }),
    load('b3', 46n, { writes: ['s.b'], follows: { 's.b': 'b2' } }),
  ]
  assert.deepEqual(Object.keys(needed([...nights, append, ...rebuilt], newer)).toSorted(), ['a2', 'a3', 'b2', 'b3'])
})

test('many loads into one table go together once it is replaced', () => {
  const appends = Array.from({ length: 6000 }, (_, at) => load(`l${at}`, BigInt(10 + at)))
  const last = [load('all', 9000n, { replaces: ['s.a'] }), load('next', 9001n, { follows: { 's.a': 'all' } })]
  assert.deepEqual(Object.keys(needed([...appends, ...last], [backup('new', 9500n)])), ['all', 'next'])
})

test('a load that is under a tombstone, and so none of them, is judged by the others', () => {
  const dead = load('dead', 10n)
  const replacing = load('all', 20n, { replaces: ['s.a'], follows: { 's.a': 'dead' } })
  const next = load('next', 30n, { follows: { 's.a': 'all' } })
  const staying = [backup('new', 50n)]
  assert.equal(whyNeeded({ staying, loads: [] })(dead), nothing('s.a'))
  assert.equal(whyNeeded({ staying, loads: [replacing, next] })(dead), undefined)
  const user = load('user', 15n, { writes: ['s.b'], reads: ['s.a'] })
  assert.equal(
    whyNeeded({ staying, loads: [replacing, next, user] })(dead),
    'load user, which is needed, used its rows of s.a',
  )
})

test('a backup of a timeline that was left keeps what its own history needs', () => {
  const loads = [
    load('before', 40n),
    load('replacing', 60n, { timeline: 2, replaces: ['s.a'], follows: { 's.a': 'before' } }),
    load('after', 70n, { timeline: 2, follows: { 's.a': 'replacing' } }),
  ]
  const own = backup('own', 80n, { timeline: 2 })
  assert.deepEqual(Object.keys(needed(loads, [own])), ['replacing', 'after'])
  assert.deepEqual(Object.keys(needed(loads, [backup('left', 90n), own])), ['before', 'replacing', 'after'])
})
