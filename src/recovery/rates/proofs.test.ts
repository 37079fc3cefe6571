import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { keepEvidence } from '../drills/archive.ts'
import { emptyProof, type Evidence } from '../drills/evidence.ts'
import { drillStandingOf, lastProofOf } from './proofs.ts'
import { addRecord, type RecoveryRecord } from './times.ts'

const record: RecoveryRecord = {
  at: '2026-11-20T10:00:00.000Z',
  warehouse: 'retail',
  backup: 'whole',
  target: 'latest',
  verified: true,
  durationMs: 6000,
  steps: [],
  way: 'node',
}
const evidence: Omit<Evidence, 'number' | 'previous'> = {
  version: 1,
  id: 'd1',
  warehouse: 'retail',
  tier: 'all',
  trigger: 'command',
  actor: 'a',
  host: 'h',
  startedAt: '2026-11-21T10:00:00.000Z',
  finishedAt: '2026-11-21T10:01:00.000Z',
  outcome: 'passed',
  repository: 'r',
  backup: 'drilled',
  postgresVersion: 180_000,
  target: null,
  recoveryMs: 50_000,
  predicted: null,
  steps: [],
  durationMs: 60_000,
  proof: emptyProof,
  findings: [],
  notes: [],
}

test('recoveries of the whole and drills that passed are proof; of a part, not verified or failed are none', async () => {
  const home = await mkdtemp(join(tmpdir(), 'wharf-proofs-'))
  try {
    assert.equal(await lastProofOf(home, 'retail'), undefined)
    await addRecord(home, record)
    await addRecord(home, { ...record, at: '2026-11-22T10:00:00.000Z', backup: 'a table of', way: 'table' })
    await addRecord(home, { ...record, at: '2026-11-22T11:00:00.000Z', backup: 'files only', verified: false })
    await addRecord(home, { ...record, at: '2026-11-22T12:00:00.000Z', warehouse: 'other' })
    assert.deepEqual(await lastProofOf(home, 'retail'), {
      at: record.at,
      backup: 'whole',
      durationMs: 6000,
      by: 'recovery',
    })
    await keepEvidence(home, evidence)
    const failed = { ...evidence, id: 'd2', outcome: 'failed', finishedAt: '2026-11-23T10:00:00.000Z' } as const
    await keepEvidence(home, { ...failed, findings: [{ check: 'query', message: 'check "rows": no' }] })
    await keepEvidence(home, { ...evidence, id: 'd3', outcome: 'cancelled' })
    assert.deepEqual(await lastProofOf(home, 'retail'), {
      at: evidence.finishedAt,
      backup: 'drilled',
      durationMs: 50_000,
      by: 'drill',
    })
    assert.deepEqual(await drillStandingOf(home, 'retail'), {
      count: 3,
      last: { id: 'd2', at: failed.finishedAt, outcome: 'failed', grave: false, findings: ['check "rows": no'] },
      evidenceProblems: [],
    })
    // Of a tier that passed nothing follows for the rest.
    await keepEvidence(home, { ...evidence, id: 'd3a', tier: 'critical', finishedAt: '2026-11-24T10:00:00.000Z' })
    assert.equal((await lastProofOf(home, 'retail'))!.at, evidence.finishedAt)
    assert.equal((await drillStandingOf(home, 'retail')).last!.id, 'd2')
    // What somebody makes of a drill says nothing, and hides no failure.
    const forged = await keepEvidence(home, { ...evidence, id: 'd4', outcome: 'cancelled' })
    const file = join(home, 'drills', '000005.json')
    await writeFile(file, (await readFile(file, 'utf8')).replace('"cancelled"', '"passed"'))
    const standing = await drillStandingOf(home, 'retail')
    assert.deepEqual([forged.evidence.number, standing.last?.id, standing.last?.outcome], [5, 'd2', 'failed'])
    assert.ok(standing.evidenceProblems.length > 0)
  } finally {
    await rm(home, { recursive: true })
  }
})
