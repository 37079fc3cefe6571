import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { MappedRelation } from '../../repository/contract.ts'
import { backupSection } from '../config.ts'
import { keyOf } from './files.ts'
import { assignTiers, matches, ruleFor, systemSchemasOf, type TierFacts, type TierRule } from './tiers.ts'

const relation = (oid: number, name: string, more: Partial<MappedRelation> = {}): MappedRelation => ({
  database: 'dw',
  databaseOid: 5,
  schema: 'public',
  name,
  oid,
  file: { tablespace: 1663, database: 5, relfilenode: oid },
  kind: 'r',
  persistence: 'p',
  belongsTo: undefined,
  tier: 'standard',
  ...more,
})
const table = (oid: number, name: string, parent?: number): TierFacts['tables'][number] => ({
  databaseOid: 5,
  database: 'dw',
  schema: 'public',
  name,
  oid,
  parent,
})
const scratch = (match: TierRule['match']): TierRule => ({ match, tier: 'scratch' })
const none: TierFacts = { tables: [], references: [] }

test('patterns know * and ?, and nothing else', () => {
  assert.ok(matches('tmp_*', 'tmp_1') && matches('t?p', 'tap') && matches(undefined, 'x') && matches('*', 'x'))
  assert.ok(!matches('tmp_*', 'xtmp_1') && !matches('t?p', 'tp') && !matches('a.c', 'abc') && !matches('[ab]', 'a'))
})

test('the most specific rule wins: relation before schema before database; of equals the first', () => {
  const rules: TierRule[] = [
    { match: {}, tier: 'critical' },
    { match: { database: 'dw', schema: 'public' }, tier: 'standard' },
    { match: { relation: 'a*' }, tier: 'scratch' },
    { match: { relation: 'ab' }, tier: 'critical' },
  ]
  const tierOf = (name: string, schema = 'public') => ruleFor({ database: 'dw', schema, name }, rules)?.tier
  assert.deepEqual([tierOf('ab'), tierOf('z'), tierOf('z', 'other')], ['scratch', 'standard', 'critical'])
})

test('indexes, TOAST and its index follow their table; catalogs follow nothing', () => {
  const all = [
    relation(1, 'tmp'),
    relation(2, 'tmp_pkey', { kind: 'i', belongsTo: 1 }),
    relation(3, 'pg_toast_1', { schema: 'pg_toast', kind: 't', belongsTo: 1 }),
    relation(4, 'pg_toast_1_index', { schema: 'pg_toast', kind: 'i', belongsTo: 3 }),
    relation(5, 'pg_class', { schema: 'pg_catalog' }),
    relation(6, 'tmp_id_seq', { kind: 'S' }),
    relation(7, 'tmp_unlogged', { persistence: 'u' }),
  ]
  const { leftOut, relations } = assignTiers(all, none, [scratch({})])
  assert.deepEqual(
    [...leftOut],
    all.slice(0, 4).map((one) => keyOf(one.file)),
  )
  assert.equal(relations[4]!.tier, 'standard')
})

test('partitions follow their parent unless a rule names them', () => {
  const facts = { ...none, tables: [table(10, 'sales'), table(1, 'sales_1', 10), table(2, 'keep_2', 10)] }
  const rules = [scratch({ relation: 'sales' }), { match: { relation: 'keep_*' }, tier: 'critical' } as const]
  const { relations } = assignTiers([relation(1, 'sales_1'), relation(2, 'keep_2')], facts, rules)
  assert.deepEqual(
    relations.map((one) => one.tier),
    ['scratch', 'critical'],
  )
})

test('a scratch table to which one refers that is kept is kept too, and so on', () => {
  const all = [relation(1, 'tmp_a'), relation(2, 'tmp_b'), relation(3, 'kept'), relation(4, 'tmp_c')]
  const references = [
    { databaseOid: 5, from: 2, to: 1 },
    { databaseOid: 5, from: 3, to: 2 },
    { databaseOid: 5, from: 4, to: 3 },
  ]
  const tables = all.map((one) => table(one.oid, one.name))
  const { leftOut, notes } = assignTiers(all, { tables, references }, [scratch({ relation: 'tmp_*' })])
  assert.deepEqual([...leftOut], [keyOf(all[3]!.file)])
  assert.deepEqual(notes, [
    'dw.public.tmp_b is stored although its tier is scratch: a foreign key of dw.public.kept refers to it',
    'dw.public.tmp_a is stored although its tier is scratch: a foreign key of dw.public.tmp_b refers to it',
  ])
})

test('a pattern that names system schemas is refused', () => {
  assert.deepEqual(systemSchemasOf('pg_*'), ['pg_catalog', 'pg_toast'])
  assert.deepEqual(systemSchemasOf('*'), [])
  const value = backupSection.schema.parse({ dw: { tiers: [{ match: { schema: 'pg_*' }, tier: 'scratch' }] } })
  assert.deepEqual(backupSection.check!(value, { warehouses: { dw: { repositories: [] } }, pipelines: {} }), [
    {
      path: ['backup', 'dw', 'tiers', '0', 'match', 'schema'],
      message: 'the pattern "pg_*" matches the system schema pg_catalog, which no tier may name',
      hint: 'system catalogs are always protected; name schemas of your own',
    },
  ])
})
