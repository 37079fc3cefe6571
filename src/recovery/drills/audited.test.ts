import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { KeptDrill } from './archive.ts'
import { auditProblems, missingByAudit, type AuditedDrill } from './audited.ts'

const here = { host: 'h', home: '/srv/wharf', unended: new Set(['runs']) }
const kept = (id: string, number: number, digest: string) =>
  ({ number, digest, problems: [], evidence: { id } }) as unknown as KeptDrill
const line = (drill: string, number: number | null, more: Partial<AuditedDrill> = {}): AuditedDrill => ({
  drill,
  number,
  digest: drill,
  host: here.host,
  home: here.home,
  ...more,
})

test('the audit chain knows drills whose evidence was written anew, and those that were removed', () => {
  const archive = { drills: [kept('a', 1, 'a'), kept('b', 2, 'anew'), kept('before the control database', 3, 'x')] }
  const others = [
    line('other host', 4, { host: 'i' }),
    line('other home', 4, { home: '/' }),
    line('old', 4, { home: null }),
  ]
  assert.deepEqual(auditProblems(archive, [line('a', 1), line('b', 2), line('c', 4), ...others], here), [
    'drill b: the audit chain of the control database holds another hash of it',
    'drill c is missing: the audit chain of the control database knows of it',
  ])
  const unread = { drills: [{ number: 1, digest: '', problems: ['it is no JSON'], evidence: undefined }] }
  assert.deepEqual(missingByAudit(unread, [line('a', 1)], here), [], 'it is there, and said to be damaged')
  assert.deepEqual(auditProblems(archive, undefined, here), [])
})

test('the audit chain knows drills that were begun and left nothing', () => {
  const archive = { drills: [kept('a', 1, 'a')] }
  const begun = (drill: string, more: Partial<AuditedDrill> = {}) => line(drill, null, { digest: null, ...more })
  const audited = [begun('a'), line('a', 1), begun('runs'), begun('gone'), begun('not here', { host: 'i' })]
  assert.deepEqual(auditProblems(archive, audited, here), [
    'drill gone was begun and left no evidence: the audit chain of the control database knows of it',
  ])
  // It ended when no control database ran.
  assert.deepEqual(auditProblems(archive, [begun('a')], here), [])
})
