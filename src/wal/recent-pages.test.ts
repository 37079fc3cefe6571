import assert from 'node:assert/strict'
import { test } from 'node:test'

import { seededRandom } from '../base/random.ts'
import { RecentPages } from './recent-pages.ts'

/** How many of the pages that are named are not at hand. */
function readsOf(blocks: Iterable<number>, relfilenode = 16_384): number {
  const recent = new RecentPages()
  let reads = 0
  for (const block of blocks) if (!recent.name(relfilenode, 0, block)) reads++
  return reads
}

test('pages that were named lately are at hand, and those of a table far larger than the memory are not', () => {
  const random = seededRandom(7)
  const drawn = (pages: number): number[] => Array.from({ length: 50_000 }, () => random.integer(pages))
  // A page is read once, and now and then again where two of them share a place.
  assert.ok(readsOf(drawn(100)) < 2000)
  assert.ok(readsOf(drawn(1_000_000)) > 49_000)
  assert.equal(readsOf(Array.from({ length: 50_000 }, (_, n) => Math.floor(n / 100))), 500)
})

test('the same block of another relation or fork is another page', () => {
  const recent = new RecentPages()
  assert.deepEqual(
    [recent.name(1, 0, 5), recent.name(2, 0, 5), recent.name(1, 1, 5), recent.name(1, 0, 5), recent.name(2, 0, 5)],
    [false, false, false, true, true],
  )
})
