// Backups out of storage snapshots. The programs here copy instead of snapshotting: less atomic than any storage, so that WAL has more to mend.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { snapshotFiles } from '../../src/backup/source/disk.ts'
import { StorageSnapshot, type SnapshotPolicy } from '../../src/backup/snapshot/snapshot.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { startLoad } from './load.ts'
import { complaintsOf, contentsOf } from './truth.ts'
import { makeFolder, openWorld, type World } from './world.ts'
import { copyLive } from '../support/copy-live.ts'
import { ofTheDay } from '../support/turns.ts'

const signal = new AbortController().signal

interface Storage {
  readonly folder: string
  readonly policy: SnapshotPolicy
  /** What was called, in order: `snapshot wharf-…`. */
  calls(): string[]
  source(some?: Partial<SnapshotPolicy>): StorageSnapshot
}

/** `spaces`: the folder that tablespaces lie in, copied beside the data directory. */
function makeStorage(world: World, spaces: string): Storage {
  const folder = join(world.folder, 'storage')
  mkdirSync(folder)
  const program = (name: string, body: string): string => {
    const path = join(folder, name)
    // What vanishes while it is copied is no trouble of a real snapshot.
    writeFileSync(path, `#!/bin/sh\necho "${name} $WHARF_SNAPSHOT" >> ${folder}/calls\n${body}\n`)
    chmodSync(path, 0o755)
    return path
  }
  const copy = `mkdir ${folder}/$1 && { cp -a --reflink=auto "$WHARF_DATA_DIRECTORY" ${folder}/$1/data; cp -a --reflink=auto ${spaces} ${folder}/$1/spaces; } 2>/dev/null
    test -f ${folder}/$1/data/global/pg_control`
  const policy: SnapshotPolicy = {
    snapshot: [program('snapshot', copy), '{id}'],
    mount: [program('mount', `ln -s ${folder}/$1 ${folder}/mounted-$1`), '{id}'],
    release: [program('release', `rm -rf ${folder}/mounted-$1 ${folder}/$1`), '{id}'],
    path: `${folder}/mounted-{id}/data`,
    tablespaces: { [join(spaces, 'one')]: `${folder}/mounted-{id}/spaces/one` },
    timeoutMs: 60_000,
  }
  const tools = { warehouse: world.warehouse, home: world.folder, inherited: process.env, clock: systemClock }
  return {
    folder,
    policy,
    calls: () =>
      existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n') : [],
    source: (some = {}) => new StorageSnapshot({ ...policy, ...some }, { ...tools, log: silentLog, signal }),
  }
}

const takeFrom = (world: World, kind: 'full' | 'incremental', snapshot: StorageSnapshot, report = () => {}) =>
  world.take(kind, { snapshot, report, files: (directory, scope) => snapshot.files(directory, scope) })

const whatOf = (calls: readonly string[]): string[] => calls.map((call) => call.split(' ')[0]!)
const leftIn = (storage: Storage): string[] => readdirSync(storage.folder).filter((name) => name.includes('wharf-'))
const marks = (world: World): string[] => readdirSync(join(world.folder, 'snapshots'))

for (const major of [ofTheDay([15, 18] as const)]) {
  void test(`PostgreSQL ${major}: full and increment out of snapshots under load, with a tablespace on another volume`, async () => {
    await using world = await openWorld({ major })
    const { server } = world
    const spaces = await makeFolder(world, 'spaces')
    await makeFolder(world, 'spaces/one')
    await server.psql(`create tablespace one location '${spaces}/one'`)
    await server.psql(`
      create table sales (id bigint primary key, day date not null, amount numeric, note text);
      insert into sales select n, date '2026-01-01' + n % 300, n * 1.5, repeat(md5(n::text), 3) from generate_series(1, 20000) n;
      create table wide (id int primary key, body text) tablespace one;
      insert into wide select n, repeat(md5(n::text), 100) from generate_series(1, 200) n;
      create unlogged table scratch (id int primary key, body text);
      create table part (id int, day date) partition by range (day);
      create table part_old partition of part for values from ('2026-01-01') to ('2026-02-01') tablespace one;
      create table part_new partition of part for values from ('2026-02-01') to ('2026-03-01')`)
    const storage = makeStorage(world, spaces)
    const load = startLoad(server, 50)
    await load.someRounds(1)
    const sessions: Promise<unknown[]>[] = []
    const report = (event?: { phase: string }): void => {
      if (event?.phase === 'listing')
        sessions.push(server.psql(`select 1 from pg_stat_activity where application_name = 'wharf backup'`))
    }
    const { manifest: full, notes } = await takeFrom(world, 'full', storage.source(), report)
    await load.someRounds(1)
    const { manifest: increment } = await takeFrom(world, 'incremental', storage.source())
    await load.stop()
    assert.deepEqual(await Promise.all(sessions), [[]], 'the server is out of backup mode before files are read')
    assert.deepEqual(whatOf(storage.calls()), ['snapshot', 'mount', 'release', 'snapshot', 'mount', 'release'])
    assert.deepEqual([leftIn(storage), marks(world)], [[], []])
    assert.equal(increment.parent, full.id)
    assert.deepEqual(
      full.tablespaces.map(({ name, location }) => [name, location]),
      [['one', join(spaces, 'one')]],
    )
    assert.deepEqual(notes, [], notes.join())
    await world.archiveAll()
    const truth = await contentsOf(server)
    for (const { id } of major === 15 ? [full] : [increment]) {
      await using restored = await world.restore(id)
      assert.deepEqual(await contentsOf(restored), truth, id)
      assert.deepEqual(await complaintsOf(restored), [])
    }
  })
}

void test('programs that fail, hang or lie; snapshots that are live, old, late or not all; what a crash has left', async () => {
  await using world = await openWorld({ major: 18 })
  const { server, warehouse } = world
  const spaces = await makeFolder(world, 'spaces')
  const storage = makeStorage(world, spaces)
  await server.psql('create table t as select 1 as id')
  const fails = async (some: Partial<SnapshotPolicy>, expected: { code: string; message: string | RegExp }) => {
    await assert.rejects(takeFrom(world, 'full', storage.source(some)), expected)
    assert.deepEqual([leftIn(storage), marks(world)], [[], []])
    const sessions = await server.psql(`select 1 from pg_stat_activity where application_name = 'wharf backup'`)
    assert.deepEqual(sessions, [])
  }
  const sh = (script: string): string[] => ['/bin/sh', '-c', script]

  await fails(
    { snapshot: sh('echo first; echo "the pool is full" >&2; exit 3') },
    {
      code: 'backup.snapshot-command',
      message: 'the snapshot program /bin/sh of warehouse retail ended with exit code 3: the pool is full',
    },
  )
  assert.deepEqual(whatOf(storage.calls()), ['release'], 'what failed halfway is released')
  await fails(
    { snapshot: sh('sleep 600'), timeoutMs: 1000 },
    {
      code: 'backup.snapshot-command',
      message: 'the snapshot program /bin/sh of warehouse retail was not done within 1 s',
    },
  )
  await fails(
    { mount: ['/nowhere/mount'] },
    {
      code: 'backup.snapshot-command',
      message: 'the mount program /nowhere/mount of warehouse retail does not exist',
    },
  )
  await fails(
    { path: server.dataDirectory },
    {
      code: 'backup.snapshot-is-live',
      message: `the snapshot of warehouse retail is read at ${server.dataDirectory}, which is the live data directory`,
    },
  )

  // One from yesterday under the name of today's.
  const old = join(storage.folder, 'old')
  copyLive(server.dataDirectory, old)
  await server.psql('checkpoint')
  await fails({ path: old }, { code: 'backup.other-server', message: /its last checkpoint is from/ })

  // A program that ends before the snapshot is there.
  const late = join(storage.folder, 'late')
  const source = {
    take: () => Promise.resolve(),
    mount: async () => {
      await server.psql('insert into t values (2)')
      await server.psql('checkpoint')
      copyLive(server.dataDirectory, late)
    },
  }
  await assert.rejects(world.take('full', { snapshot: source, files: () => snapshotFiles(late, new Map()) }), {
    code: 'backup.snapshot-too-late',
    message: /^the snapshot of warehouse retail is of a moment after the end of its backup: it holds a checkpoint at /,
  })

  // A tablespace that nobody has placed is refused before anything is done.
  const before = storage.calls().length
  await makeFolder(world, 'spaces/two')
  await server.psql(`create tablespace two location '${spaces}/two'`)
  await fails(
    {},
    {
      code: 'backup.snapshot-tablespace',
      message: `nobody says where tablespace two (${spaces}/two) of warehouse retail is found in a snapshot`,
    },
  )
  assert.equal(storage.calls().length, before)
  await server.psql('drop tablespace two')

  // A process that was killed in between, and a release that fails once.
  const dead = spawnSync('true').pid
  const mark = {
    id: 'wharf-dead',
    warehouse: warehouse.declaration.name,
    release: [storage.policy.release[0]!, 'wharf-dead'],
    variables: { WHARF_SNAPSHOT: 'wharf-dead' },
    timeoutMs: 10_000,
    process: `${dead} 1`,
  }
  writeFileSync(join(world.folder, 'snapshots', 'wharf-dead.json'), JSON.stringify(mark))
  const stuck = join(storage.folder, 'stuck')
  writeFileSync(stuck, '')
  const source2 = storage.source({ release: sh(`test ! -e ${stuck}`) })
  const { manifest } = await takeFrom(world, 'full', source2)
  assert.deepEqual(source2.notes, ['the snapshot wharf-dead, left by an earlier backup, is released', source2.notes[1]])
  assert.match(
    source2.notes[1]!,
    /^the snapshot wharf-[0-9a-f]{12} is not released, the next backup tries again: the release program \/bin\/sh of warehouse retail ended with exit code 1$/,
  )
  assert.ok(storage.calls().includes('release wharf-dead'))
  assert.equal(marks(world).length, 1)
  spawnSync('rm', [stuck])
  const source3 = storage.source()
  await takeFrom(world, 'incremental', source3)
  assert.match(source3.notes[0]!, /^the snapshot wharf-[0-9a-f]{12}, left by an earlier backup, is released$/)
  assert.deepEqual(marks(world), [])
  await using restored = await world.restore(manifest.id)
  assert.deepEqual(await restored.psql('select id from t order by id'), [{ id: 1 }, { id: 2 }])
})
