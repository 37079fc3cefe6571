import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Manifest, ManifestFile, MappedRelation } from '../../repository/contract.ts'
import { criticalPart } from './choice.ts'
import { refuseAlone, refuseCriticalFirst, refusePorts } from './refuse.ts'

function relation(name: string, oid: number, more: Partial<MappedRelation> = {}): MappedRelation {
  return {
    database: 'sales',
    databaseOid: 5,
    schema: 'public',
    name,
    oid,
    kind: 'r',
    tier: 'standard',
    file: { tablespace: 1663, database: 5, relfilenode: oid },
    ...more,
  } as MappedRelation
}

function manifestOf(relations: readonly MappedRelation[], settings: Record<string, string> = {}): Manifest {
  const files = relations.map(
    (one) => ({ kind: 'segment', path: `base/5/${one.oid}`, mode: 0o600, bytes: 8192, imageLsn: 9n }) as ManifestFile,
  )
  return {
    id: 'b',
    startLsn: 9n,
    replayFromLsn: 9n,
    olderImages: [],
    folders: [],
    scratch: [],
    relations,
    files,
    settings,
  } as unknown as Manifest
}

function refused(manifest: Manifest, options = { warehouse: 'retail', start: true }): () => void {
  return () => refuseCriticalFirst(manifest, criticalPart(manifest), options)
}

const critical = relation('orders', 20_000, { tier: 'critical' })
const catalog = relation('pg_class', 1259, { schema: 'pg_catalog' })
const other = relation('other', 20_001)

test('critical first is refused where it is impossible or senseless', () => {
  assert.throws(refused(manifestOf([catalog, other])), {
    code: 'recovery.no-critical',
    message: 'backup b of warehouse "retail" holds no table of tier critical',
  })
  const large = relation('pg_largeobject', 2613, { schema: 'pg_catalog' })
  const journal = relation('load_journal', 20_009, { schema: 'wharf' })
  assert.throws(refused(manifestOf([catalog, critical, large, journal])), {
    code: 'recovery.all-critical',
    message: 'every table in backup b of warehouse "retail" is of tier critical: nothing could come first',
  })
  const both = [catalog, critical, other]
  assert.throws(refused(manifestOf(both), { warehouse: 'retail', start: false }), {
    code: 'recovery.critical-needs-start',
    message: '--critical-first makes sense only with --start',
  })
  for (const name of ['shared_preload_libraries', 'session_preload_libraries'])
    assert.throws(refused(manifestOf(both, { [name]: 'pg_stat_statements, citus' })), {
      code: 'recovery.critical-hooks',
      message:
        'readers cannot be let in to a part of this warehouse: its answers depend on citus, which a sandbox does not load',
    })
  assert.doesNotThrow(refused(manifestOf(both, { shared_preload_libraries: 'pg_stat_statements' })))
})

test('options of the server for readers are refused where there is none', () => {
  for (const [options, name] of [
    [{ criticalPort: 5433 }, '--critical-port'],
    [{ criticalDirectory: '/restore', criticalFirst: false }, '--critical-directory'],
  ] as const)
    assert.throws(() => refuseAlone(options), {
      code: 'recovery.critical-option',
      message: `${name} makes sense only with --critical-first`,
      hint: 'it says where critical tables are read before the rest is back: add --critical-first and --start, or leave it out',
    })
  for (const options of [{}, { criticalFirst: true, criticalPort: 5433, criticalDirectory: '/restore' }])
    assert.doesNotThrow(() => refuseAlone(options))
})

test('readers get no port that the recovered server needs at the end', () => {
  assert.throws(() => refusePorts(5432, 5432), {
    code: 'recovery.bad-option',
    message: '--critical-port 5432: the recovered server itself listens there at the end: choose another one',
  })
  for (const [readers, server] of [
    [5433, 5432],
    [5433, undefined],
    [undefined, undefined],
  ] as const)
    assert.doesNotThrow(() => refusePorts(readers, server))
})

test('the critical part is its tables with what belongs to them, and the catalogs of their databases', () => {
  const index = relation('orders_pkey', 20_002, { kind: 'i', tier: 'critical', belongsTo: 20_000 })
  const journal = relation('load_journal', 20_003, { schema: 'wharf' })
  const toast = relation('pg_toast_20003', 20_004, { schema: 'pg_toast', kind: 't', belongsTo: 20_003 })
  const toastIndex = relation('pg_toast_20003_index', 20_005, { schema: 'pg_toast', kind: 'i', belongsTo: 20_004 })
  const part = criticalPart(manifestOf([catalog, critical, index, toastIndex, toast, journal, other]))!
  assert.deepEqual(part.names, ['sales.public.orders'])
  assert.deepEqual(
    part.choice.manifest.files.map((one) => one.path),
    ['base/5/1259', 'base/5/20000', 'base/5/20002', 'base/5/20005', 'base/5/20004', 'base/5/20003'],
  )
  assert.equal(part.choice.leftOut(5, 20_001), true)
  assert.equal(part.choice.leftOut(5, 20_000), false)
})
