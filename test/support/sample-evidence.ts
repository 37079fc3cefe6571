// What is known of a drill while it runs, for tests of what becomes of it.
import { emptyProof } from '../../src/recovery/drills/evidence.ts'
import type { KnownEvidence } from '../../src/recovery/drills/marks.ts'

export function sampleEvidence(more: Partial<KnownEvidence> & Pick<KnownEvidence, 'id' | 'host'>): KnownEvidence {
  return {
    version: 1,
    warehouse: 'retail',
    tier: 'all',
    trigger: 'command',
    actor: 'tester',
    startedAt: '2026-11-29T04:00:00.000Z',
    finishedAt: '2026-11-29T04:00:00.000Z',
    outcome: 'passed',
    repository: null,
    backup: null,
    postgresVersion: null,
    target: null,
    recoveryMs: null,
    predicted: null,
    steps: [],
    durationMs: 0,
    proof: emptyProof,
    findings: [],
    notes: [],
    ...more,
  }
}
