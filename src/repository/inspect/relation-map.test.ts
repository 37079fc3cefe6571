import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { MappedRelation } from '../contract.ts'
import { formatRelations } from './relation-map.ts'

function relation(name: string, more: Partial<MappedRelation> = {}): MappedRelation {
  return {
    database: 'dw',
    databaseOid: 5,
    schema: 'public',
    name,
    oid: 16_400,
    file: { tablespace: 1663, database: 5, relfilenode: 16_400 },
    kind: 'r',
    persistence: 'p',
    belongsTo: undefined,
    tier: 'standard',
    ...more,
  }
}

test('relations by name, with all forks and segments of their files, and how old the oldest image is', () => {
  const files = [
    { path: 'base/5/16400', bytes: 1 << 30, imageLsn: 'A/3000028' },
    { path: 'base/5/16400.1', bytes: 8192, imageLsn: '2/FF000028' },
    { path: 'base/5/16400_vm', bytes: 8192, imageLsn: 'B/28' },
    { path: 'global/1260', bytes: 8192, imageLsn: '0/28' },
    { path: 'pg_tblspc/16500/PG_18_202506291/5/16400', bytes: 16_384, imageLsn: 'C/28' },
    { path: 'PG_VERSION', bytes: 3 },
  ]
  const relations = [
    relation('sales'),
    relation('pg_authid', { schema: 'pg_catalog', file: { tablespace: 1664, database: 0, relfilenode: 1260 } }),
    relation('elsewhere', {
      file: { tablespace: 16_500, database: 5, relfilenode: 16_400 },
      kind: 'i',
      tier: 'critical',
    }),
    relation('stage', { persistence: 'u', tier: 'scratch', file: { tablespace: 1663, database: 5, relfilenode: 9 } }),
  ]
  assert.deepEqual(
    formatRelations(relations, files)
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
    [
      ['database', 'relation', 'kind', 'tier', 'file', 'size', 'image'],
      ['dw', 'pg_catalog.pg_authid', 'table', 'standard', '1664/0/1260', '8.0 kB', '0/28'],
      ['dw', 'public.elsewhere', 'index', 'critical', '16500/5/16400', '16.0 kB', 'C/28'],
      ['dw', 'public.sales', 'table', 'standard', '1663/5/16400', '1.0 GB', '2/FF000028'],
      ['dw', 'public.stage', 'unlogged table', 'scratch', '1663/5/9', '0 B', '-'],
    ],
  )
})
