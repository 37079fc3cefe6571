import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isWharfError } from '../../base/errors.ts'
import { chooseDue } from './due.ts'
import { parseShare } from './share.ts'

const object = (name: string, bytes: number, modifiedMs = 0) => ({ name, bytes, modifiedMs })

test('a share reads in full what was read in full longest ago, and the structure of what is new', () => {
  const objects = [
    object('packs/aa/1', 100),
    object('packs/bb/2', 100),
    object('wal/1/2/3', 100, 5),
    object('wal/1/2/4', 100, 9),
    object('leases/dw/1', 100),
  ]
  const checked = new Map([
    ['packs/aa/1', { allMs: 20 }],
    ['packs/bb/2', { allMs: 10 }],
    ['wal/1/2/3', { structureMs: 30 }],
  ])
  const due = chooseDue(objects, checked, { depth: 'share', share: 0.5 })
  assert.deepEqual(
    [...due.levels],
    [
      ['wal/1/2/4', 'all'],
      ['wal/1/2/3', 'all'],
    ],
  )
  const small = chooseDue(objects, checked, { depth: 'share', share: 0.01 })
  assert.deepEqual(
    [...small.levels],
    [
      ['wal/1/2/4', 'structure'],
      ['wal/1/2/3', 'all'],
    ],
  )
})

test('as many checks as the share says have read everything', () => {
  const objects = Array.from({ length: 300 }, (_, at) => object(`packs/aa/${at}`, 50 + (at % 7), at))
  const checked = new Map<string, { allMs: number }>()
  for (let day = 1; day <= 30; day++) {
    for (const [name, level] of chooseDue(objects, checked, { depth: 'share', share: 1 / 30 }).levels)
      if (level === 'all') checked.set(name, { allMs: day })
  }
  assert.equal(checked.size, 300)
})

test('shares as people write them', () => {
  assert.deepEqual(['1/30', '0.05', '5%', '1'].map(parseShare), [1 / 30, 0.05, 0.05, 1])
  for (const text of ['', '0', '2', 'x', '1/0', '-1/3']) {
    assert.throws(
      () => parseShare(text),
      (error) => isWharfError(error, 'repository.bad-share') && error.message === `not a share of the data: "${text}"`,
    )
  }
})
