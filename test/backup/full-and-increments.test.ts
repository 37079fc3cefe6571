// P1 and P3: full, incremental and differential backups taken while the server is written to; each restores on its own to exactly what the source
// holds, on the oldest and the newest version, with and without page checksums.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { complaintsOf, contentsOf } from './truth.ts'
import { openWorld, type World } from './world.ts'
import { startLoad } from './load.ts'
import { ofTheDay } from '../support/turns.ts'

async function makeTables({ server }: World): Promise<void> {
  await server.psql(`
    create table sales (id bigint primary key, day date not null, amount numeric, note text) ;
    insert into sales select n, date '2026-01-01' + n % 300, n * 1.5, repeat(md5(n::text), 3) from generate_series(1, 40000) n;
    create index on sales (day);
    create table wide (id int primary key, body text);
    insert into wide select n, (select string_agg(md5((n * i)::text), '') from generate_series(1, 200) i) from generate_series(1, 300) n;
    create table still (id int primary key, body text);
    insert into still select n, md5(n::text) from generate_series(1, 20000) n;
    create unlogged table scratch (id int primary key, body text);
    insert into scratch select n, 'x' from generate_series(1, 5000) n;
    create table part (id int, day date) partition by range (day);
    create table part_old partition of part for values from ('2026-01-01') to ('2026-02-01');
    create table part_new partition of part for values from ('2026-02-01') to ('2026-03-01');
    insert into part select n, date '2026-01-01' + n % 55 from generate_series(1, 3000) n;`)
  await server.psql('vacuum (freeze) still')
  await server.psql('vacuum sales')
  await server.psql('create database second')
  await server.psql('create table t (id int primary key); insert into t select generate_series(1, 100)', 'second')
}

for (const [major, checksums] of [ofTheDay([[18, true] as const, [15, true] as const, [18, false] as const])]) {
  void test(`PostgreSQL ${major}${checksums ? '' : ' without checksums'}: full, incremental, differential, each restored and compared`, async () => {
    await using world = await openWorld({ major, checksums })
    const { server } = world
    await makeTables(world)
    await server.psql('checkpoint')

    const { manifest: full } = await world.take('full')
    assert.equal(full.kind, 'full')
    assert.deepEqual(full.corrupt, [])
    assert.equal(full.dataChecksums, checksums)
    assert.ok(full.unlogged.some(({ bytes }) => bytes > 0))
    assert.ok(!full.files.some(({ path }) => full.unlogged.some((one) => one.path === path)))

    const load = startLoad(server)
    await load.someRounds(3)
    const { manifest: first } = await world.take('incremental')
    await load.someRounds(3)
    const { manifest: second, notes } = await world.take('incremental')
    const { manifest: differential } = await world.take('differential')
    await load.stop()
    assert.deepEqual(notes, [])
    assert.deepEqual([first.kind, first.parent], ['incremental', full.id])
    assert.deepEqual([second.kind, second.parent], ['incremental', first.id])
    assert.deepEqual([differential.kind, differential.parent], ['differential', full.id])
    assert.ok(second.statistics.sharedBytes > second.statistics.clusterBytes / 4, JSON.stringify(second.statistics))
    const still = second.relations.find(({ name }) => name === 'still')!
    const stored = second.files.find(({ path }) => path === `base/${still.file.database}/${still.file.relfilenode}`)
    assert.ok(stored?.kind === 'segment' && stored.storedBy === full.id)

    await world.archiveAll()
    const truth = await contentsOf(server)
    assert.ok(Object.keys(truth).length >= 7)
    for (const { id } of [full, first, second, differential]) {
      await using restored = await world.restore(id)
      assert.deepEqual(await contentsOf(restored), truth, id)
      assert.deepEqual(await complaintsOf(restored), [])
      assert.deepEqual(await restored.psql('select count(*)::int as n from scratch'), [{ n: 0 }])
    }
  })
}
