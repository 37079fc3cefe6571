import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Status, WarehouseStatus } from './contract.ts'
import { statusMetrics } from './metrics.ts'

const lost: WarehouseStatus = {
  warehouse: 'retail',
  verdict: 'unprotected',
  sentence: '',
  rpo: { ms: null, bytes: null, basis: 'everything', growing: true, repository: null },
  rto: null,
  receivers: [],
  window: { ranges: [], holes: 0 },
  lastBackup: null,
  backups: 0,
  unlogged: null,
  lastProof: null,
  loads: null,
  problems: [{ code: 'assurance.no-backup', severity: 'critical', message: 'm', hint: null }],
  unknown: [],
}

const families = (one: WarehouseStatus) => {
  const status: Status = { at: '', verdict: one.verdict, sentence: '', warehouses: [one], problems: [] }
  return new Map(statusMetrics(status).map((family) => [family.name, family.samples]))
}

test('what is not known has no sample; loss of everything is infinite', () => {
  const found = families(lost)
  assert.deepEqual(found.get('wharf_rpo_seconds'), [{ labels: { warehouse: 'retail' }, value: Infinity }])
  assert.deepEqual(found.get('wharf_protected'), [{ labels: { warehouse: 'retail' }, value: 0 }])
  assert.equal(found.get('wharf_rto_seconds'), undefined)
  assert.equal(found.get('wharf_backup_age_seconds'), undefined)
  assert.deepEqual(found.get('wharf_backups'), [{ labels: { warehouse: 'retail' }, value: 0 }])
  assert.equal(families({ ...lost, unknown: ['backups'] }).get('wharf_backups'), undefined)
  const critical = found.get('wharf_problems')?.find((one) => one.labels['severity'] === 'critical')
  assert.equal(critical?.value, 1)
})

test('seconds are seconds', () => {
  const found = families({
    ...lost,
    rpo: { ms: 1500, bytes: 1, basis: 'receiver', growing: false, repository: 'local' },
  })
  assert.deepEqual(found.get('wharf_rpo_seconds'), [{ labels: { warehouse: 'retail' }, value: 1.5 }])
})
