import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { BLOCKS_PER_SEGMENT, type ForkName } from '../../wal/contract.ts'
import { lowerBound, planSegment, type SegmentFacts, type SegmentPlan } from './segment.ts'

const facts = (some: Partial<SegmentFacts>): SegmentFacts => ({
  fork: 'main',
  segment: 0,
  blockCount: 10,
  parentBlockCount: 10,
  change: undefined,
  relationTouched: some.change !== undefined,
  suspects: [],
  doubt: undefined,
  ...some,
})
const blocks = (...numbers: number[]): SegmentPlan => ({ kind: 'blocks', blocks: Uint32Array.from(numbers) })
const change = (numbers: number[], cut?: number) => ({ blocks: Uint32Array.from(numbers), cut })

void test('nothing changed: shared, not opened', () => {
  assert.deepEqual(planSegment(facts({})), { kind: 'share' })
  assert.deepEqual(planSegment(facts({ blockCount: 0, parentBlockCount: 0 })), { kind: 'share' })
})

void test('named blocks, those above the cut and those beyond the stored length are read', () => {
  assert.deepEqual(planSegment(facts({ change: change([2, 5]) })), blocks(2, 5))
  assert.deepEqual(planSegment(facts({ change: change([2], 7) })), blocks(2, 7, 8, 9))
  assert.deepEqual(planSegment(facts({ parentBlockCount: 8 })), blocks(8, 9))
  assert.deepEqual(planSegment(facts({ parentBlockCount: 20, change: change([3], 10) })), blocks(3))
})

void test('what is new, doubtful, created anew or inexplicably short is read whole', () => {
  assert.deepEqual(planSegment(facts({ parentBlockCount: undefined })), { kind: 'whole', reason: 'new' })
  assert.deepEqual(planSegment(facts({ doubt: 'a gap' })), { kind: 'whole', reason: 'a gap' })
  assert.deepEqual(planSegment(facts({ change: change([], 0) })), { kind: 'whole', reason: 'cut or created anew' })
  assert.deepEqual(planSegment(facts({ parentBlockCount: 11 })), { kind: 'whole', reason: 'shorter than stored' })
})

void test('a cut counts in blocks of the fork, not of the segment', () => {
  const cut = (at: number) => planSegment(facts({ segment: 1, change: change([BLOCKS_PER_SEGMENT + 1], at) }))
  assert.deepEqual(cut(BLOCKS_PER_SEGMENT), { kind: 'whole', reason: 'cut or created anew' })
  assert.deepEqual(cut(BLOCKS_PER_SEGMENT + 8), blocks(1, 8, 9))
  assert.deepEqual(planSegment(facts({ change: change([1], BLOCKS_PER_SEGMENT + 8) })), blocks(1))
})

void test('map forks are read whole as soon as any fork of the relation is named', () => {
  for (const fork of ['vm', 'fsm'] satisfies ForkName[]) {
    assert.deepEqual(planSegment(facts({ fork })), { kind: 'share' })
    assert.equal(planSegment(facts({ fork, relationTouched: true })).kind, 'whole')
    assert.equal(planSegment(facts({ fork, parentBlockCount: 9 })).kind, 'whole')
  }
})

void test('a block that is corrupt in the parent is looked at again', () => {
  assert.deepEqual(planSegment(facts({ suspects: [4, 99] })), blocks(4))
  assert.deepEqual(planSegment(facts({ suspects: [4], change: change([2, 4]) })), blocks(2, 4))
  assert.equal(planSegment(facts({ fork: 'vm', suspects: [0] })).kind, 'whole')
})

type Step =
  | { readonly do: 'write'; readonly block: number }
  | { readonly do: 'cut'; readonly length: number }
  | { readonly do: 'extend'; readonly blocks: number }
  | { readonly do: 'create' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), block: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), length: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('extend' as const), blocks: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'create' as const }) },
)

// PostgreSQL in small: writes are logged, cuts are logged, extension with zeros is not. Contents are version numbers; 0 is a zero page.
class Fork {
  content: number[]
  readonly named = new Set<number>()
  cut: number | undefined
  private version = 100

  constructor(content: number[]) {
    this.content = [...content]
  }

  apply(one: Step): void {
    if (one.do === 'write') this.write(one.block)
    else if (one.do === 'cut') this.cutTo(one.length)
    else if (one.do === 'extend') this.content.push(...Array.from({ length: one.blocks }, () => 0))
    else this.cutTo(0)
  }

  private write(block: number): void {
    while (this.content.length <= block) this.content.push(0)
    this.content[block] = this.version++
    this.named.add(block)
  }

  private cutTo(length: number): void {
    if (length > this.content.length) return
    this.content.length = length
    this.cut = Math.min(this.cut ?? length, length)
    for (const block of this.named) if (block >= length) this.named.delete(block)
  }
}

void test('parent and plan together always give what is on disk, whatever happened in between', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 25 }),
      fc.array(step, { maxLength: 12 }),
      (parent, steps) => {
        const fork = new Fork(parent)
        for (const one of steps) fork.apply(one)
        const touched = fork.named.size > 0 || fork.cut !== undefined
        const plan = planSegment(
          facts({
            blockCount: fork.content.length,
            parentBlockCount: parent.length,
            change: touched ? { blocks: Uint32Array.from(fork.named).sort(), cut: fork.cut } : undefined,
          }),
        )
        const read =
          plan.kind === 'whole' ? fork.content.map((_, block) => block) : plan.kind === 'share' ? [] : [...plan.blocks]
        const restored = parent.slice(0, fork.content.length)
        for (const block of read) restored[block] = fork.content[block]!
        assert.deepEqual(restored, fork.content)
        if (plan.kind === 'share') assert.equal(parent.length, fork.content.length)
        // Nothing beyond the rule is read: a block that is neither named, above the cut nor beyond the stored length stays closed.
        if (plan.kind === 'blocks') {
          for (const block of plan.blocks)
            assert.ok(fork.named.has(block) || block >= (fork.cut ?? Infinity) || block >= parent.length)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

void test('lowerBound finds the first element that is not below', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(100)), fc.nat(110), (numbers, value) => {
      const sorted = Uint32Array.from(numbers).sort()
      const expected = sorted.findIndex((one) => one >= value)
      assert.equal(lowerBound(sorted, value), expected < 0 ? sorted.length : expected)
    }),
  )
})
