// Copies of unlogged tables that hang together: keys between them, children that inherit, sequences that recovery has set back.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'

import { copyUnlogged } from '../../src/backup/unlogged/copy.ts'
import { restoreCopies } from '../../src/recovery/run-copies.ts'
import { openWorld } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { startServer } from '../support/postgres.ts'
import { ofTheDay } from '../support/turns.ts'

const signal = new AbortController().signal
const quiet = { report: () => {}, signal }

/** By name the one that refers comes first. */
const schema = `
  create unlogged table z_parents (id int primary key);
  create unlogged table a_children (id bigint generated always as identity primary key, parent int references z_parents, down int default 0);
  create sequence steps increment -1 start -1 owned by a_children.down; alter table a_children alter down set default nextval('steps');
  create unlogged table base (id int); create table heirs () inherits (base)`
const tables = ['z_parents', 'a_children', 'only base', 'heirs']

test('copies come back with the keys between them, behind their sequences, and touch no table that inherits', async () => {
  const major = ofTheDay([15, 18] as const)
  await using scope = new AsyncDisposableStack()
  await using world = await openWorld({ major })
  const { server, folder, repository, warehouse } = world
  await server.psql(schema)
  await server.psql(`insert into z_parents select generate_series(1, 50); insert into a_children (parent) select n from generate_series(1, 50) n;
    insert into base values (1); insert into heirs values (2)`)
  const patterns = ['public.z_parents', 'public.a_children', 'public.base']
  await copyUnlogged({ warehouse, repository, patterns, ...quiet })
  const contents = async (of: { psql: typeof server.psql }): Promise<unknown> =>
    await Promise.all(tables.map((one) => of.psql(`select * from ${one} order by 1`)))
  const truth = await contents(server)

  await using recovered = await startServer({ major })
  await recovered.psql(schema)
  await recovered.psql('insert into heirs values (2)')
  const passphraseFile = join(folder, 'passphrase')
  await writeFile(passphraseFile, 'correct horse\n', { mode: 0o600 })
  const context = testContext({ home: join(folder, 'home'), rooms: [] }, scope)
  const request = { warehouse: 'retail', to: recovered.url, repositoryPath: join(folder, 'repository'), passphraseFile }
  const restored = await restoreCopies({ ...request, overwrite: false }, context, quiet)
  assert.deepEqual(
    restored.map((one) => [one.relation, one.rows]),
    [
      ['public.a_children', 50],
      ['public.base', 1],
      ['public.z_parents', 50],
    ],
  )
  assert.deepEqual(await contents(recovered), truth)
  // Once more over rows that differ: all are emptied at once.
  await recovered.psql(
    'delete from a_children where id > 10; delete from z_parents where id > 10; insert into base values (7)',
  )
  await restoreCopies({ ...request, overwrite: true }, context, quiet)
  assert.deepEqual(await contents(recovered), truth)
  assert.deepEqual(await recovered.psql('insert into a_children (parent) values (1) returning id::int, down'), [
    { id: 51, down: -51 },
  ])
})
