import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { sampleEvidence } from '../../../test/support/sample-evidence.ts'
import type { Context } from '../../base/room.ts'
import { keepEvidence } from './archive.ts'
import { auditProblems, type AuditedDrill } from './audited.ts'
import { removeMark, writeMark } from './marks.ts'
import { drillsHere } from './unended.ts'

const evidence = sampleEvidence({ id: 'ends', host: 'h' })

test('a drill that ends while it is asked for is not said to be missing', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'wharf-unended-'))
  t.after(() => rm(home, { recursive: true }))
  const context = { home, environment: { hostname: 'h' } } as unknown as Context
  await writeMark(home, { drill: 'ends', folder: join(home, 'ends'), host: 'h', keep: false }, evidence)
  const begun: AuditedDrill = { drill: 'ends', number: null, digest: null, host: 'h', home }
  const running = await drillsHere(context, () => Promise.resolve([begun]))
  assert.deepEqual([running.unended.map((one) => one.id), running.archive.drills.length], [['ends'], 0])
  const { archive, audited, unended, here } = await drillsHere(context, async () => {
    const { digest } = await keepEvidence(home, evidence)
    await removeMark(home, 'ends')
    return [begun, { ...begun, number: 1, digest }]
  })
  assert.deepEqual(unended, [])
  assert.equal(archive.drills.length, 1)
  assert.deepEqual(auditProblems(archive, audited, here), [])
})
