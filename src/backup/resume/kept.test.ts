import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import type { InterruptedBackup } from '../../repository/progress-contract.ts'
import type { ChangeMap, ForkChange } from '../../wal/contract.ts'
import type { PlannedSegment } from '../plan/files.ts'
import { chooseInterrupted, Kept, planReuse, type OwnState } from './kept.ts'

const PATH = 'base/5/16384'

function changesOf(change: ForkChange | undefined, doubtful = false): ChangeMap {
  return { fork: () => change, isDatabaseDoubtful: () => doubtful } as unknown as ChangeMap
}

function segment(blockCount: number, plan: PlannedSegment['plan'] = { kind: 'whole', reason: 'new' }): PlannedSegment {
  const listed = { kind: 'segment', path: PATH, mode: 0o600, modifiedMs: 0, bytes: blockCount * 8192 } as const
  return { listed, firstBlock: 0, blockCount, plan, parent: undefined }
}

const extent = (number: number, blocks: readonly number[], file = PATH) => ({
  ref: { pack: 'a', number, offset: 0, storedBytes: 1, plainBytes: 1 },
  file,
  blocks: Uint32Array.from(blocks),
})

const kept = (changes: ChangeMap, ...extents: ReturnType<typeof extent>[]): Kept => {
  const all = new Kept(changes)
  for (const one of extents) all.add(one)
  return all
}

const nothing: ReadonlySet<string> = new Set()

void test('what WAL names, cuts or doubts is read again, all else is used', () => {
  const all = [extent(0, [0, 1, 2, 3]), extent(1, [4, 5])]
  const reuse = (changes: ChangeMap) => planReuse(segment(6), [kept(changes, ...all)], nothing)
  assert.deepEqual([...reuse(changesOf(undefined))!.rest], [])
  assert.deepEqual([...reuse(changesOf({ blocks: Uint32Array.of(1), cut: undefined }))!.rest], [1])
  assert.deepEqual([...reuse(changesOf({ blocks: Uint32Array.of(1), cut: 5 }))!.rest], [1, 5])
  assert.equal(reuse(changesOf({ blocks: new Uint32Array(0), cut: 0 })), undefined)
  assert.equal(reuse(changesOf(undefined, true)), undefined, 'a database that was copied or dropped whole')
  // Shorter than what was stored, and WAL does not say why.
  assert.equal(planReuse(segment(5), [kept(changesOf(undefined), ...all)], nothing), undefined)
})

void test('an increment uses what it would read; maps of free space and visibility, plain files and distrusted relations never', () => {
  const one = kept(changesOf(undefined), extent(0, [0, 1, 2, 3]))
  const reuse = planReuse(segment(6, { kind: 'blocks', blocks: Uint32Array.of(2, 5) }), [one], nothing)
  assert.deepEqual([...reuse!.rest], [5])
  assert.deepEqual(reuse!.map.runs, [{ block: 2, count: 1, extent: 0, place: 2 }])
  assert.equal(planReuse(segment(6, { kind: 'share' }), [one], nothing), undefined)
  assert.equal(planReuse(segment(6), [one], new Set(['1663/5/16384'])), undefined)
  for (const file of [`${PATH}_vm`, `${PATH}_fsm`]) {
    const map = { ...segment(4), listed: { ...segment(4).listed, path: file } }
    assert.equal(planReuse(map, [kept(changesOf(undefined), extent(0, [0, 1, 2, 3], file))], nothing), undefined)
  }
})

void test('of two interrupted backups the newer one counts', () => {
  const older = kept(changesOf({ blocks: Uint32Array.of(1), cut: undefined }), extent(7, [0, 1, 2]))
  const newer = kept(changesOf(undefined), extent(8, [1]))
  const reuse = planReuse(segment(3), [newer, older], nothing)!
  assert.deepEqual([...reuse.rest], [])
  assert.deepEqual(
    reuse.map.runs.map(({ block, count, extent: at, place }) => [block, count, reuse.map.extents[at]!.number, place]),
    [
      [0, 1, 7, 0],
      [1, 1, 8, 0],
      [2, 1, 7, 2],
    ],
  )
})

type Step =
  | { readonly do: 'write' | 'cut' | 'read'; readonly block: number }
  | { readonly do: 'extend'; readonly block: number }

const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom('write', 'write', 'write', 'cut', 'extend', 'read', 'read'),
  block: fc.nat(24),
})

void test('whatever happened while and after it was read, what is used again is what is on disk', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 20 }), fc.array(step), (start, steps) => {
      const disk = [...start]
      const named = new Set<number>()
      let cut: number | undefined
      const extents: ReturnType<typeof extent>[] = []
      const images: number[] = []
      for (const [at, { do: what, block }] of steps.entries()) {
        if (what === 'write') {
          while (disk.length <= block) disk.push(0)
          disk[block] = 100 + at
          named.add(block)
        } else if (what === 'extend') disk.push(...Array.from({ length: block % 4 }, () => 0))
        else if (what === 'cut' && block <= disk.length) {
          disk.length = block
          cut = Math.min(cut ?? block, block)
          for (const one of named) if (one >= block) named.delete(one)
        } else if (what === 'read' && block < disk.length && extents.every(({ blocks }) => blocks[0] !== block)) {
          extents.push(extent(images.push(disk[block]!) - 1, [block]))
        }
      }
      const touched = named.size > 0 || cut !== undefined
      const changes = changesOf(touched ? { blocks: Uint32Array.from(named).sort(), cut } : undefined)
      const reuse = planReuse(segment(disk.length), [kept(changes, ...extents)], nothing)
      for (const { block, count, extent: number } of reuse?.map.runs ?? []) {
        assert.equal(count, 1)
        assert.equal(images[reuse!.map.extents[number]!.number], disk[block], `block ${block}`)
      }
      const covered = [...(reuse?.rest ?? []), ...(reuse?.map.runs ?? []).map(({ block }) => block)]
      if (reuse)
        assert.deepEqual(
          covered.toSorted((one, other) => one - other),
          [...disk.keys()],
        )
    }),
    { numRuns: 2000 },
  )
})

void test('nothing of another cluster, timeline, version or checksum state, nor of a later position', () => {
  const own: OwnState = { systemIdentifier: 1n, timeline: 2, startLsn: 500n, catalogVersion: 9, dataChecksums: true }
  const one: InterruptedBackup = { ...own, id: 'x', startLsn: 400n, packs: [] }
  const refusal = (some: Partial<InterruptedBackup>) => {
    const { usable, refused } = chooseInterrupted([{ ...one, ...some }], own)
    assert.deepEqual(usable.length, refused === undefined ? 1 : 0)
    return refused?.replace('nothing is used of the interrupted backup x: ', '')
  }
  assert.equal(refusal({}), undefined)
  assert.equal(refusal({ systemIdentifier: 2n }), 'it is of another cluster (system identifier)')
  assert.equal(refusal({ timeline: 1 }), 'it is of timeline 1, this one of 2')
  assert.equal(refusal({ catalogVersion: 8 }), 'it is of another version of PostgreSQL')
  assert.equal(refusal({ dataChecksums: false }), 'it has another checksum state')
  assert.equal(refusal({ startLsn: 500n }), 'it starts after this backup: the WAL position went back')
})
