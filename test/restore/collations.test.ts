// Pitfall 54: the libraries that sort are of another version where a cluster is recovered.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { openWorld } from '../backup/world.ts'
import { recover } from './recovered.ts'

void test('a collation of another version is named, where a table uses it', async () => {
  await using world = await openWorld({ major: 18 })
  const { server } = world
  await server.psql('create table names (name text collate "und-x-icu"); create index on names (name)')
  const recorded = await server.psql<{ actual: string }>(
    `select pg_collation_actual_version(oid) as actual from pg_collation where collname = 'und-x-icu'`,
  )
  // As if the backed up server had had older libraries; of the second one nobody makes use.
  await server.psql(`update pg_collation set collversion = '1.2' where collname in ('und-x-icu', 'de-x-icu')`)
  await world.take('full')
  await world.archiveAll()
  await using recovered = await recover(world, { latest: true })
  assert.deepEqual(recovered.report.proof!.connections.collations, [
    `postgres: collation "und-x-icu" was of version 1.2 when it was backed up, here it is ${recorded[0]!.actual}`,
  ])
})
