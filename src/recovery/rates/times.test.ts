import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { addRecord, readRecords, type RecoveryRecord } from './times.ts'

const record: RecoveryRecord = {
  at: '2026-11-20T14:05:00Z',
  warehouse: 'retail',
  backup: 'b',
  target: 'latest',
  verified: true,
  durationMs: 6000,
  steps: [{ step: 'fetch', bytes: 1000, ms: 6000 }],
}

async function inFolder(work: (home: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'wharf-times-'))
  try {
    await work(home)
  } finally {
    await rm(home, { recursive: true })
  }
}

test('records that are added at once are all kept, each with a prediction', async () => {
  await inFolder(async (home) => {
    await Promise.all(Array.from({ length: 10 }, (_, index) => addRecord(home, { ...record, backup: `b${index}` })))
    const records = await readRecords(home)
    assert.deepEqual(
      records.map((one) => one.backup).toSorted(),
      Array.from({ length: 10 }, (_, index) => `b${index}`),
    )
    assert.deepEqual(
      records.map((one) => one.steps[0]!.predicted!.basis),
      ['assumed', ...Array.from({ length: 9 }, () => 'measured')],
    )
    assert.ok(records.every((one) => one.predicted!.expectedMs > 0))
  })
})

test('what is no record is passed over, and what is no list counts as empty', async () => {
  await inFolder(async (home) => {
    const file = join(home, 'recovery-times.json')
    const bad = [null, 7, { ...record, durationMs: -1 }, { ...record, steps: [{ step: 'unknown', bytes: 0, ms: 1 }] }]
    await writeFile(
      file,
      JSON.stringify([...bad, { ...record, steps: [{ step: 'fetch', bytes: null, ms: 1 }] }, record]),
    )
    assert.deepEqual(await readRecords(home), [record])
    for (const text of ['', '{"a": 1}', '[1, 2']) {
      await writeFile(file, text)
      assert.deepEqual(await readRecords(home), [])
    }
  })
})
