import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Manifest, ManifestFile, WalChunkInfo, WalIndexed } from '../../repository/contract.ts'
import { ChangeMapBuilder } from '../../wal/change-map.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { WalSurvey } from '../rates/wal-survey.ts'
import { keeps } from './choice.ts'
import { grownBytes } from './growth.ts'

const file = (path: string, blocks: number): ManifestFile =>
  ({ kind: 'segment', path, mode: 0o600, bytes: blocks * BLOCK_BYTES, imageLsn: 9n }) as ManifestFile

function choiceOf(libraries = '') {
  const files = [file('base/5/20000', 10), file('base/5/20000_vm', 1), file('base/5/20000.1', 5)]
  const manifest = {
    files,
    settings: { shared_preload_libraries: libraries },
    replayFromLsn: 0n,
  } as unknown as Manifest
  return { manifest, leftOutKeys: new Set(['1663/5/20001']), leftOutDatabases: new Set([6]) }
}

/** A table that grew by 3 blocks, one that was made with 4, one that was left out, and another database. */
function surveyOf(isMapped = true): WalSurvey {
  const map = new ChangeMapBuilder(0n)
  for (const block of [3, 14, 15, 16, 17]) map.fork(1663, 5, 20_000, 0).add(block)
  for (const block of [0, 1, 2, 3]) map.fork(1663, 5, 20_009, 0).add(block)
  for (const block of [0, 500]) map.fork(1663, 5, 20_001, 0).add(block)
  map.fork(1663, 6, 20_000, 0).add(9)
  map.fork(1663, 5, 20_009, 1).add(9)
  const info = { startLsn: 0n, endLsn: 1000n } as WalChunkInfo
  const index: WalIndexed = { changeMap: isMapped ? map.finish(0n) : undefined, commits: [], problem: undefined }
  return new WalSurvey([{ info, fromLsn: 0n, toLsn: 1000n, index }])
}

const of = { toLsn: 1000n, walBytes: 1_000_000 }

test('a sandbox grows by the blocks that the backup does not have, of files that come', () => {
  assert.equal(grownBytes(surveyOf(), choiceOf(), of), 7 * BLOCK_BYTES)
  // An extension's own WAL may need any page: nothing is passed over then, and stubs are filled.
  assert.equal(grownBytes(surveyOf(), choiceOf('orioledb'), of), 10 * BLOCK_BYTES)
})

test('replay changes pages of stubs only where nothing is passed over', () => {
  const stub = { tablespace: 1663, database: 5, relfilenode: 20_001 }
  assert.deepEqual([keeps(choiceOf())(stub), keeps(choiceOf('orioledb'))(stub)], [false, true])
})

test('it is never taken to grow by more than all WAL, and by that where a chunk does not tell', () => {
  assert.equal(grownBytes(surveyOf(), choiceOf(), { ...of, walBytes: 100 }), 100)
  assert.equal(grownBytes(surveyOf(false), choiceOf(), of), 1_000_000)
  assert.equal(grownBytes(new WalSurvey([]), choiceOf(), of), 1_000_000)
})
