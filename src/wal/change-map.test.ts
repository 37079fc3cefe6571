import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { ChangeMapBuilder, mergeChangeMaps } from './change-map.ts'
import { forks, type ChangeMap, type ForkName } from './contract.ts'

const file = { tablespace: 1663, database: 5, relfilenode: 16_384 }

/** A plain model: what one fork looks like after changes in order. */
type Change = { readonly block: number } | { readonly cut: number }
interface Model {
  readonly blocks: Set<number>
  cut: number | undefined
}

function model(changes: readonly Change[]): Model {
  const made: Model = { blocks: new Set(), cut: undefined }
  for (const change of changes) {
    if ('block' in change) made.blocks.add(change.block)
    else {
      for (const block of made.blocks) if (block >= change.cut) made.blocks.delete(block)
      made.cut = Math.min(made.cut ?? change.cut, change.cut)
    }
  }
  return made
}

function built(changes: readonly Change[], at: { from: bigint; to: bigint }, fork: ForkName = 'main'): ChangeMap {
  const builder = new ChangeMapBuilder(at.from)
  for (const change of changes) {
    const one = builder.fork(file.tablespace, file.database, file.relfilenode, forks[fork])
    if ('block' in change) one.add(change.block)
    else one.cut(change.cut)
  }
  return builder.finish(at.to)
}

// Near each other, far apart, at borders of containers, and enough of them to make bitmaps.
const block = fc.oneof(
  fc.integer({ min: 0, max: 2000 }),
  fc.integer({ min: 32_700, max: 32_800 }),
  fc.integer({ min: 0, max: 0xffff_fffe }),
)
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 60, arbitrary: fc.record({ block }) },
  { weight: 1, arbitrary: fc.record({ cut: block }) },
)
const changes = fc.oneof(
  fc.array(change, { maxLength: 40 }),
  fc.array(change, { minLength: 1500, maxLength: 3000, size: 'max' }),
)

function same(map: ChangeMap, wanted: Model): void {
  const found = map.fork(file, 'main')
  assert.deepEqual(
    [...(found?.blocks ?? [])],
    [...wanted.blocks].toSorted((a, b) => a - b),
  )
  assert.equal(found?.cut, wanted.cut)
}

test('blocks and cuts are those of the plain model', () => {
  fc.assert(
    fc.property(changes, (list) => same(built(list, { from: 0n, to: 100n }), model(list))),
    { numRuns: 60 },
  )
})

test('maps merged in order are the map of the whole, wherever it is divided', () => {
  const property = fc.property(changes, fc.nat(), (list, at) => {
    const middle = list.length === 0 ? 0 : at % list.length
    const first = built(list.slice(0, middle), { from: 0n, to: 50n })
    const second = built(list.slice(middle), { from: 50n, to: 100n })
    const merged = mergeChangeMaps([first, second])
    same(merged, model(list))
    assert.deepEqual([merged.startLsn, merged.endLsn], [0n, 100n])
  })
  fc.assert(property, { numRuns: 60 })
})

test('forks and files of the same number are kept apart', () => {
  const builder = new ChangeMapBuilder(0n)
  builder.fork(1663, 5, 16_384, forks.main).add(1)
  builder.fork(1663, 6, 16_384, forks.main).add(2)
  builder.fork(16_400, 5, 16_384, forks.main).add(3)
  builder.fork(1663, 5, 16_384, forks.vm).cut(0)
  const map = builder.finish(1n)
  const names = [...map.entries()].map(
    (one) =>
      `${one.file.tablespace}/${one.file.database} ${one.fork} ${[...one.change.blocks].join()} ${one.change.cut}`,
  )
  assert.deepEqual(names, [
    '1663/5 main 1 undefined',
    '1663/5 vm  0',
    '1663/6 main 2 undefined',
    '16400/5 main 3 undefined',
  ])
  assert.equal(map.fork({ ...file, database: 7 }, 'main'), undefined)
})

test('a hole between maps is refused; doubts and doubtful databases survive a merge', () => {
  const first = built([], { from: 0n, to: 10n })
  assert.throws(() => mergeChangeMaps([first, built([], { from: 11n, to: 20n })]), {
    code: 'wal.maps-not-in-order',
    message: 'change maps do not follow each other: one ends at 0/A, the next starts at 0/B',
  })
  const builder = new ChangeMapBuilder(10n)
  builder.doubt('because')
  builder.doubtDatabase(1663, 16_500)
  const merged = mergeChangeMaps([first, builder.finish(20n)])
  assert.deepEqual(merged.doubts, ['because'])
  assert.equal(merged.isDatabaseDoubtful(1663, 16_500), true)
  assert.equal(merged.isDatabaseDoubtful(1663, 5), false)
})
