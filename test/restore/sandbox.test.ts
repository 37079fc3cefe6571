// Sandboxes: what is wanted is there as it was at the target, what is not takes no disk and cannot be mistaken, and nothing of it is heard or felt outside.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import type { Manifest, MappedRelation } from '../../src/repository/contract.ts'
import { openSandbox, type Sandbox, type SandboxRequest } from '../../src/recovery/sandbox/sandbox.ts'
import { makeFolder, openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { requestFor } from './recovered.ts'

const signal = new AbortController().signal
let count = 0

async function sandboxOf(
  world: World,
  wishes: Partial<SandboxRequest> & Pick<SandboxRequest, 'wanted'>,
  phases: string[] = [],
): Promise<Sandbox & { readonly logFile: string }> {
  const { warehouse, repositoryPath, passphraseFile, binaries } = await requestFor(world, {})
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  const folder = join(world.folder, `sandbox-${++count}`)
  const request = { warehouse, repositoryPath, passphraseFile, binaries, folder, workers: 2, ...wishes }
  const sandbox = await openSandbox(request, context, { report: ({ phase }) => void phases.push(phase), signal })
  return Object.assign(sandbox, { logFile: `${folder}.log` })
}

/** Tables of these names with all that belongs to them. */
function named(manifest: Manifest, ...names: string[]): (relation: MappedRelation) => boolean {
  const ownerOf = (one: MappedRelation): MappedRelation | undefined =>
    manifest.relations.find((other) => other.oid === one.belongsTo && other.databaseOid === one.databaseOid)
  const isOne = (one: MappedRelation | undefined): boolean =>
    one !== undefined && (names.includes(one.name) || isOne(ownerOf(one)))
  return isOne
}

async function rows<Row extends object>(sandbox: Sandbox, sql: string): Promise<Row[]> {
  await using session = await sandbox.connect('postgres')
  return (await session.query<Row>(sql)).rows
}

/** Disk that a folder takes, not the lengths of its files. */
async function diskOf(folder: string): Promise<number> {
  let sum = 0
  for (const name of await readdir(folder, { recursive: true })) {
    const about = await stat(join(folder, name)).catch(() => undefined)
    if (about?.isFile()) sum += about.blocks * 512
  }
  return sum
}

/** Every file below a folder: path → size, modification time in ns, hash. */
async function fingerprint(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const about = await stat(join(folder, name), { bigint: true })
    if (!about.isFile()) continue
    const hash = createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex')
    found[name] = `${about.size} ${about.mtimeNs} ${hash}`
  }
  return found
}

test('PostgreSQL 15: a wanted table comes as it was at the target, the others take no disk', async () => {
  await using world = await openWorld({ major: 15, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql(`
    create table wanted (id int primary key, body text, long text);
    alter table wanted alter long set storage external;
    insert into wanted select n, md5(n::text), repeat('w', 3000) from generate_series(1, 1000) n;
    create table other as select n as id, md5(n::text) as body from generate_series(1, 200000) n`)
  await server.psql('create database elsewhere')
  const backup = await world.take('full')
  await server.psql(
    'update wanted set body = reverse(body) where id % 3 = 0; update other set body = null where id < 500',
  )
  await server.psql('vacuum other')
  await server.psql('create table later as select generate_series(1, 100) as id')
  const sql = `select count(*)::int, md5(string_agg(w::text, ',' order by id)) from wanted w`
  const truth = await server.psql(sql)
  const [at] = await server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  await server.psql('drop table wanted; drop table later')
  await world.archiveAll()

  const { relations } = backup.manifest
  const postgres = relations.find((one) => one.database === 'postgres')!.databaseOid
  const folder = join(world.folder, `sandbox-${count + 1}`)
  {
    await using sandbox = await sandboxOf(world, {
      lsn: at!.lsn,
      open: false,
      wanted: named(backup.manifest, 'wanted'),
      databases: new Set([postgres]),
    })
    assert.deepEqual(await rows(sandbox, sql), truth)
    assert.deepEqual(await rows(sandbox, 'select count(*)::int from later'), [{ count: 100 }])
    assert.deepEqual(await rows(sandbox, 'select pg_is_in_recovery() as waits'), [{ waits: true }])
    const fileOf = (name: string): number => relations.find((one) => one.name === name)!.file.relfilenode
    assert.equal(sandbox.leftOut(postgres, fileOf('other')), true)
    assert.equal(sandbox.leftOut(postgres, fileOf('wanted')), false)
    assert.ok(sandbox.restoredBytes < 50e6, String(sandbox.restoredBytes))
    const other = join(
      sandbox.folder,
      (await server.psql<{ path: string }>(`select pg_relation_filepath('other') as path`))[0]!.path,
    )
    const about = await stat(other)
    assert.ok(
      // Not a page of it is there: WAL that changes it was passed over.
      about.size > 8e6 && about.blocks === 0,
      `${about.size} long, ${about.blocks} blocks on disk`,
    )
    assert.ok((await diskOf(sandbox.folder)) < 90e6)
    await assert.rejects(sandbox.connect('elsewhere'))
  }
  assert.equal(existsSync(folder), false)
  assert.equal(existsSync(`${folder}.log`), false)

  // WAL that cannot be read is said by who reads it, not by a server that wonders; nothing of the sandbox stays but its log.
  const chunks = join(world.folder, 'repository', 'wal')
  const { replayFromLsn } = backup.manifest
  for (const name of await readdir(chunks, { recursive: true })) {
    const [, start, end] = /([0-9A-F]{16})-([0-9A-F]{16})$/i.exec(name) ?? []
    if (start === undefined || BigInt(`0x${start}`) > replayFromLsn || BigInt(`0x${end}`) <= replayFromLsn) continue
    const bytes = await readFile(join(chunks, name))
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    await writeFile(join(chunks, name), bytes)
  }
  const phases: string[] = []
  const failing = sandboxOf(world, { lsn: at!.lsn, open: false, wanted: named(backup.manifest, 'wanted') }, phases)
  await assert.rejects(failing, (error: Error) => isWharfError(error) && error.code.startsWith('repository.'))
  assert.ok(phases.includes('starting'), 'it was no failure of planning')
  assert.equal(existsSync(join(world.folder, `sandbox-${count}`)), false)
})

test('PostgreSQL 18: a sandbox beside a live server with tablespaces, subscriptions and preloaded libraries is silent and changes none of its files', async () => {
  await using world = await openWorld({
    major: 18,
    settings: {
      autovacuum: 'off',
      bgwriter_lru_maxpages: '0',
      checkpoint_timeout: '1h',
      wal_level: 'logical',
      shared_preload_libraries: 'pg_prewarm, auto_explain',
      'auto_explain.log_min_duration': '0',
    },
  })
  const { server } = world
  // Whoever follows the subscription comes by here.
  await using listener = await openListener()
  const before = await makeFolder(world, 'space before')
  const after = await makeFolder(world, 'space after')
  await server.psql(`create tablespace "old space" location '${before}'`)
  await server.psql('create table wanted tablespace "old space" as select n as id from generate_series(1, 5000) n')
  await server.psql('create table other as select n as id from generate_series(1, 5000) n')
  await server.psql(
    `create function noisy() returns event_trigger language plpgsql as $$ begin raise exception 'a trigger on logging in acted'; end $$`,
  )
  const { manifest } = await world.take('full')
  await server.psql(`create tablespace fresh location '${after}'`)
  await server.psql('create table made_later tablespace fresh as select n as id from generate_series(1, 3000) n')
  await server.psql('insert into wanted select generate_series(5001, 6000)')
  let lsn: string
  {
    await using client = await server.connect()
    await client.query(
      `create subscription s connection 'host=127.0.0.1 port=${listener.port} dbname=x user=x' publication p with (connect = false, slot_name = 's')`,
    )
    await client.query('alter subscription s enable')
    await client.query('create event trigger knocks on login execute function noisy()')
    const found = await client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
    lsn = found.rows[0]!.lsn
    await client.query('drop event trigger knocks; alter subscription s disable')
    // What is compared must be still: hint bits and dirty pages go to disk now.
    await client.query('select count(*) from wanted; select count(*) from other; select count(*) from made_later')
    await client.query('checkpoint')
  }
  await world.archiveAll()
  const live = { before: await fingerprint(before), after: await fingerprint(after) }
  const base = await fingerprint(join(server.dataDirectory, 'base'))
  const called = listener.calls()

  await using sandbox = await sandboxOf(world, { lsn, wanted: named(manifest, 'wanted', 'made_later') })
  assert.deepEqual(await rows(sandbox, 'select count(*)::int, sum(id)::int from wanted'), [
    { count: 6000, sum: 18_003_000 },
  ])
  assert.deepEqual(await rows(sandbox, 'select count(*)::int from made_later'), [{ count: 3000 }])
  assert.deepEqual(await rows(sandbox, 'select subenabled from pg_subscription'), [{ subenabled: true }])
  assert.deepEqual(await rows(sandbox, 'select evtname from pg_event_trigger'), [{ evtname: 'knocks' }])
  const settings = await rows<{ name: string; setting: string }>(
    sandbox,
    "select name, setting from pg_settings where name in ('listen_addresses', 'shared_preload_libraries', 'archive_mode', 'autovacuum') order by name",
  )
  assert.deepEqual(
    settings.map((one) => one.setting),
    ['off', 'off', '', ''],
  )
  const others = await rows<{ kind: string }>(
    sandbox,
    "select distinct backend_type as kind from pg_stat_activity where backend_type not in ('checkpointer', 'background writer', 'walwriter', 'client backend') and backend_type not like 'io worker'",
  )
  assert.deepEqual(others, [])
  assert.equal(listener.calls(), called)
  assert.deepEqual({ before: await fingerprint(before), after: await fingerprint(after) }, live)
  assert.deepEqual(await fingerprint(join(server.dataDirectory, 'base')), base)
  // Its socket lies where only the user of the server and root come by.
  assert.equal((await stat(join(sandbox.folder, 'wharf-socket'))).mode & 0o077, 0)
})

/** Counts who comes by. */
async function openListener(): Promise<AsyncDisposable & { readonly port: number; calls(): number }> {
  let calls = 0
  const server = createServer((socket) => {
    calls++
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    calls: () => calls,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}
