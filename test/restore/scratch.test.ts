// Scratch relations: left out by name, whatever is written to them; they come back empty and whole in structure, and everything else comes back.
import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { TierRule } from '../../src/backup/plan/tiers.ts'
import type { ClusterFiles } from '../../src/backup/source/cluster-files.ts'
import { diskFiles } from '../../src/backup/source/disk.ts'
import { isWharfError } from '../../src/base/errors.ts'
import type { Manifest } from '../../src/repository/contract.ts'
import { complaintsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import { recover } from './recovered.ts'
import { ofTheDay } from '../support/turns.ts'

const tiers: readonly TierRule[] = [{ match: { schema: 'public', relation: 'tmp_*' }, tier: 'scratch' }]
const kept = `select md5(string_agg(k::text, ',' order by id)) as hash, count(*)::int as count from kept k`

async function fill(world: World): Promise<void> {
  await world.server.psql(`
    create table kept as select n as id, md5(n::text) as body from generate_series(1, 3000) n;
    create table tmp_big (id int primary key, body text, long text);
    alter table tmp_big alter long set storage external;
    insert into tmp_big select n, md5(n::text), repeat('y', 3000) from generate_series(1, 3000) n;
    create index on tmp_big (body);
    create materialized view tmp_view as select * from tmp_big where id < 500;
    create table tmp_named (id int primary key);
    insert into tmp_named select generate_series(1, 100);
    create table refers (id int references tmp_named);
    insert into refers select generate_series(1, 50);
    create table tmp_renamed as select generate_series(1, 700) as id`)
  await world.server.psql('vacuum tmp_big')
}

const pathOf = async (world: World, name: string): Promise<string> =>
  (await world.server.psql<{ path: string }>(`select pg_relation_filepath('${name}') as path`))[0]!.path
const holds = (manifest: Manifest, path: string): boolean =>
  manifest.files.some((file) => file.path === path || file.path.startsWith(`${path}.`))

/** The server's files, with something done when they have all been listed. */
function whenListed(work: () => Promise<unknown>): (directory: string) => ClusterFiles {
  return (directory) => {
    const files = diskFiles(directory)
    return {
      ...files,
      list: async function* (options) {
        yield* files.list(options)
        await work()
      },
    }
  }
}

for (const major of [ofTheDay([15, 18] as const)]) {
  test(`PostgreSQL ${major}: scratch relations are left out and come back empty, all else comes back`, async () => {
    await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
    await fill(world)
    const paths = {
      big: await pathOf(world, 'tmp_big'),
      index: await pathOf(world, 'tmp_big_pkey'),
      view: await pathOf(world, 'tmp_view'),
      named: await pathOf(world, 'tmp_named'),
      renamed: await pathOf(world, 'tmp_renamed'),
    }
    await using other = await world.server.connect()
    await other.query('create temp table passing as select generate_series(1, 1000) as n')
    const meanwhile = async (): Promise<void> => {
      await world.server.psql(
        "alter table tmp_renamed rename to lasting; update tmp_big set body = 'during' where id % 5 = 0; delete from tmp_big where id % 7 = 0",
      )
    }
    const { manifest, notes } = await world.take('full', { tiers, files: whenListed(meanwhile) })
    assert.deepEqual(
      Object.entries(paths).map(([name, path]) => [name, holds(manifest, path)]),
      [
        ['big', false],
        ['index', false],
        ['view', false],
        ['named', true],
        ['renamed', true],
      ],
    )
    assert.ok(
      notes.includes(
        'postgres.public.tmp_named is stored although its tier is scratch: a foreign key of postgres.public.refers refers to it',
      ),
    )
    assert.ok(manifest.statistics.skippedScratchBytes > 9_000_000, String(manifest.statistics.skippedScratchBytes))
    assert.equal(manifest.relations.find((one) => one.name === 'tmp_big_pkey')?.tier, 'scratch')
    assert.ok(!manifest.files.some((file) => /\/t\d+_\d+/.test(file.path)), 'no temporary relation')

    // An increment leaves them out as well; replay then meets blocks that it has no base for: also by vacuum, which logs no images of them.
    await world.take('incremental', { tiers })
    await world.server.psql(
      "update tmp_big set body = 'after', long = repeat('z', 2500) where id % 3 = 0; insert into kept values (9999, 'after')",
    )
    await world.server.psql('vacuum freeze tmp_big')
    await world.server.psql(
      "insert into tmp_big select n, 'new', repeat('w', 3000) from generate_series(10001, 10400) n; refresh materialized view tmp_view",
    )
    const truth = await world.server.psql(kept)
    await world.archiveAll()

    await assert.rejects(recover(world, { latest: true, start: false }), (error: unknown) => {
      assert.ok(isWharfError(error, 'recovery.scratch-needs-start'))
      assert.match(
        error.message,
        /^backup \S+ leaves out 2 scratch relations, which must be emptied before anyone may connect: postgres\.public\.tmp_big, postgres\.public\.tmp_view$/,
      )
      return true
    })
    await using recovered = await recover(world, { latest: true, start: true })
    assert.deepEqual(await recovered.psql(kept), truth)
    assert.deepEqual(recovered.report.plan.lost.scratch.relations, [
      'postgres.public.tmp_big',
      'postgres.public.tmp_view',
    ])
    // The view was refreshed after the backup: WAL has it whole.
    assert.deepEqual(recovered.report.proof!.scratch, { relations: ['postgres.public.tmp_big'], doubtful: [] })
    const [counts] = await recovered.psql(
      `select (select count(*) from tmp_big)::int as big, (select count(*) from tmp_view)::int as view, (select count(*) from tmp_named)::int as named,
              (select count(*) from refers)::int as refers, (select count(*) from lasting)::int as lasting`,
    )
    const [view] = await world.server.psql<{ n: number }>('select count(*)::int as n from tmp_view')
    assert.deepEqual(counts, { big: 0, view: view!.n, named: 100, refers: 50, lasting: 700 })
    await recovered.psql("insert into tmp_big select n, md5(n::text), repeat('v', 3000) from generate_series(1, 200) n")
    const [found] = await recovered.psql(
      'set enable_seqscan = off; select count(*)::int as n from tmp_big where id between 5 and 14',
    )
    assert.deepEqual(found, { n: 10 })
    assert.deepEqual(await complaintsOf(recovered.asServer), [])
    await assert.rejects(stat(join(recovered.directory, paths.big)), 'the stub is gone')
  })
}
