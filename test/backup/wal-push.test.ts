// `wharf wal push`: PostgreSQL's archive_command contract, held against the real program and a real server whose WAL comes by nothing else.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { collectChanges } from '../../src/backup/plan/changes.ts'
import { pushFile } from '../../src/backup/push/push-file.ts'
import type { WalShape } from '../../src/backup/receiver/chunk-cutter.ts'
import { passOn } from '../../src/backup/receiver/notices.ts'
import { walArchiveCommand } from '../../src/backup/operations/wal-archive-command.ts'
import { room as backupRoom } from '../../src/backup/room.ts'
import { runBackup } from '../../src/backup/run-backup.ts'
import { systemClock } from '../../src/base/clock.ts'
import { provide, type Context, type Room } from '../../src/base/room.ts'
import { controlSection } from '../../src/control/config.ts'
import { controlDatabase, type ControlDatabase, type ControlEvent } from '../../src/control/contract.ts'
import type { Repository } from '../../src/repository/contract.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import { parseLsn } from '../../src/wal/lsn.ts'
import { parseWalFileName, segmentName } from '../../src/wal/segments.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { recover } from '../restore/recovered.ts'
import { testContext } from '../support/context.ts'
import { scratchFolder, startServer, type TestServer } from '../support/postgres.ts'
import { contentsOf } from './truth.ts'
import { makeRepository } from './world.ts'

const signal = new AbortController().signal
const program = fileURLToPath(new URL('../../bin/wharf', import.meta.url))
const SEGMENT = 1 << 20
const scope = new AsyncDisposableStack()
const events: ControlEvent[] = []
let server: TestServer
let folder: string
let context: Context
let repository: Repository
let systemIdentifier: bigint
let shape: WalShape

const control: Room = {
  name: 'control',
  summary: 'a list',
  config: [controlSection],
  services: [
    provide(
      controlDatabase,
      () =>
        ({
          emit: (event: ControlEvent) => Promise.resolve(void events.push(event)),
          query: () => Promise.resolve([]),
        }) as unknown as ControlDatabase,
    ),
  ],
}

before(async () => {
  folder = scope.use(await scratchFolder()).path
  server = scope.use(
    await startServer({
      major: 18,
      walSegmentMegabytes: SEGMENT >> 20,
      settings: { archive_mode: 'on', archive_command: 'false', wal_keep_size: '1GB', max_wal_size: '256MB' },
    }),
  )
  const path = join(folder, 'repository')
  repository = await makeRepository(path)
  // The server's user writes WAL, we write backups.
  for (const name of ['.tmp', 'wal', 'notices']) mkdirSync(join(path, name), { recursive: true })
  const { account } = server
  if (account) {
    for (const name of ['.', ...readdirSync(path, { recursive: true, encoding: 'utf8' })])
      chownSync(join(path, name), account.uid, account.gid)
  }
  const config = {
    warehouses: { retail: { url: server.url, repositories: ['main'] } },
    repositories: { main: { path, encryption: { passphrase: 'correct horse' } } },
    wal: { retail: { mode: 'archive' } },
    control: { url: 'postgresql://nobody@127.0.0.1:1/none' },
  }
  context = testContext({ home: folder, rooms: [warehouseRoom, repositoryRoom, control, backupRoom], config }, scope)
  const asked = { ...context, progress: () => {}, confirm: () => Promise.resolve(true), actor: 'test' }
  const made = await walArchiveCommand.run({ warehouse: 'retail' }, asked, signal)
  const options = statSync(made.file)
  assert.deepEqual([options.mode & 0o777, options.uid], [0o600, statSync(server.dataDirectory).uid])
  await server.psql(`alter system set archive_command = '${made.archiveCommand.replaceAll("'", "''")}'`)
  await server.psql('select pg_reload_conf()')
  const [row] = await server.psql<{ id: string }>('select system_identifier::text as id from pg_control_system()')
  systemIdentifier = BigInt(row!.id)
  shape = { systemIdentifier, majorVersion: 18, postgresVersion: 180_000, segmentBytes: SEGMENT }
  await server.psql('create table t (id int primary key, body text)')
})
after(() => scope.disposeAsync())

/** As PostgreSQL does: in the data directory, as its user. */
function push(path: string): { code: number | null; said: string } {
  const { account } = server
  const done = spawnSync(process.execPath, [program, 'wal', 'push', path], {
    cwd: server.dataDirectory,
    encoding: 'utf8',
    ...(account ? { uid: account.uid, gid: account.gid } : {}),
  })
  return { code: done.status, said: done.stderr }
}

/** Segments that the server has finished, by name. */
async function finished(): Promise<string[]> {
  const [row] = await server.psql<{ lsn: string }>('select pg_switch_wal()::text as lsn')
  const end = parseLsn(row!.lsn)
  return readdirSync(join(server.dataDirectory, 'pg_wal'))
    .filter((name) => {
      const parsed = parseWalFileName(name, SEGMENT)
      return parsed?.kind === 'segment' && parsed.startLsn < end
    })
    .sort()
}

/** A copy of a segment with the same name, for the server's user. */
function copyOf(name: string, change: (path: string) => void): string {
  const place = join(folder, `copy-${Math.random().toString(36).slice(2)}`)
  mkdirSync(place)
  const path = join(place, name)
  cpSync(join(server.dataDirectory, 'pg_wal', name), path)
  change(path)
  const { account } = server
  if (account) for (const one of [place, path]) chownSync(one, account.uid, account.gid)
  return path
}

test('backups wait for WAL that comes by archive_command alone, and recover from it', async () => {
  const report = (): void => {}
  await server.psql(`insert into t select n, repeat(md5(n::text), 3) from generate_series(1, 1000) n`)
  const full = await runBackup({ warehouse: 'retail', kind: 'full' }, context, { report, signal })
  await server.psql(`update t set body = 'changed' where id % 50 = 0`)
  const increment = await runBackup({ warehouse: 'retail', kind: 'incremental' }, context, { report, signal })
  assert.deepEqual([increment.kind, increment.parent, increment.notes], ['incremental', full.id, []])
  await server.psql('delete from t where id % 7 = 0')
  const contents = await contentsOf(server)
  const last = (await finished()).at(-1)!
  for (;;) {
    if (await repository.wal.segment(systemIdentifier, last, signal)) break
    await systemClock.sleep(100)
  }
  await using recovered = await recover({ folder, server }, { latest: true })
  assert.deepEqual(await contentsOf(recovered.asServer), contents)
})

test('0 again for what is stored already: nothing is stored twice', async () => {
  const name = (await finished())[1]!
  await server.psql('select pg_walfile_name(pg_current_wal_lsn())')
  assert.deepEqual(push(`pg_wal/${name}`), { code: 0, said: '' })
  const low = BigInt(`0x${name.slice(16)}`) * 0x10_0000n
  // Of this segment alone: the server archives others meanwhile.
  const chunks = async () => {
    const all = await repository.wal.list(systemIdentifier, signal)
    return all.filter(({ startLsn }) => startLsn >= low && startLsn < low + 0x10_0000n)
  }
  const before = await chunks()
  assert.ok(before.length > 0)
  assert.deepEqual(push(`pg_wal/${name}`), { code: 0, said: '' })
  assert.deepEqual(await chunks(), before)
})

test('2 for other bytes in the same place: nothing is overwritten, and one critical alert comes out of the repository', async () => {
  const name = (await finished())[1]!
  const stored = await repository.wal.segment(systemIdentifier, name, signal)
  const path = copyOf(name, (one) => {
    const bytes = readFileSync(one)
    bytes[600_000]! ^= 1
    writeFileSync(one, bytes)
  })
  for (let n = 0; n < 2; n++) {
    const { code, said } = push(path)
    assert.equal(code, 2)
    assert.match(
      said,
      /^wharf wal push: wal\/.* already holds other bytes for WAL 0\/[0-9A-F]+ to .* of timeline 1\nhint: two servers/,
    )
  }
  assert.deepEqual(await repository.wal.segment(systemIdentifier, name, signal), stored)
  events.length = 0
  assert.equal(await passOn(context, 'retail', signal), 1)
  assert.deepEqual(
    events.map(({ kind, subject, data }) => [kind, subject, data['reason'], data['severity'], data['file']]),
    [['backup.alert', 'retail', 'wal-conflict', 'critical', name]],
  )
  assert.equal(await passOn(context, 'retail', signal), 0)
})

test('1 for what is no whole segment of this server, and nothing is stored of it', async () => {
  const names = await finished()
  const name = names.at(-1)!
  const before = await repository.wal.list(systemIdentifier, signal)
  const cut = copyOf(name, (one) => truncateSync(one, 400_000))
  const refused = push(cut)
  assert.equal(refused.code, 1)
  assert.match(refused.said, /^wharf wal push: \w+ is not stored: it has 400000 bytes instead of 1048576\nhint: /)
  const moved = copyOf(names.at(-2)!, () => {}).replace(/\w+$/, '0000000100000000000000F0')
  cpSync(join(server.dataDirectory, 'pg_wal', names.at(-2)!), moved)
  const foreign = copyOf(name, (one) => {
    const bytes = readFileSync(one)
    bytes.writeBigUInt64LE(77n, 24)
    writeFileSync(one, bytes)
  })
  const refusals: readonly (readonly [string, RegExp])[] = [
    [moved, /its first page says that it is at 0\//],
    [foreign, /it belongs to the cluster 77$/],
    [join(folder, 'nothing'), /"nothing" is no name of a WAL file/],
    [join(folder, '0000000100000000000000EE'), /is not stored: ENOENT/],
  ]
  const onProblem = (): Promise<void> => Promise.resolve()
  for (const [path, message] of refusals)
    await assert.rejects(
      pushFile(path, { archives: [{ wal: repository.wal, required: true }], shape, signal, onProblem }),
      { message },
    )
  assert.equal(
    (await repository.wal.list(systemIdentifier, signal)).filter(({ startLsn }) => startLsn >= 0xf000000n).length,
    before.filter(({ startLsn }) => startLsn >= 0xf000000n).length,
  )
})

test('histories are kept, labels of others are taken, a .partial segment serves nobody who wants the whole one', async () => {
  const folderOf = join(folder, 'promoted')
  mkdirSync(folderOf, { recursive: true })
  const history = join(folderOf, '00000002.history')
  writeFileSync(history, '1\t0/5000000\tno recovery target specified\n')
  const name = '0000000100000000000000E0'
  const partial = join(folderOf, `${name}.partial`)
  const bytes = readFileSync(join(server.dataDirectory, 'pg_wal', (await finished()).at(-1)!))
  bytes.writeBigUInt64LE(0xe000000n, 8)
  writeFileSync(partial, bytes)
  const label = join(folderOf, `${name}.00000028.backup`)
  writeFileSync(label, 'START WAL LOCATION: …')
  const { account } = server
  if (account) for (const one of [folderOf, history, partial, label]) chownSync(one, account.uid, account.gid)
  for (const path of [history, partial, label]) assert.deepEqual(push(path), { code: 0, said: '' })
  assert.equal(
    await repository.wal.history(systemIdentifier, 2, signal),
    '1\t0/5000000\tno recovery target specified\n',
  )
  const wal = repository.wal
  assert.ok((await wal.segment(systemIdentifier, `${name}.partial`, signal))!.bytes.equals(bytes))
  const gap = await wal.segment(systemIdentifier, name, signal)
  assert.equal(gap, undefined)
  assert.ok((await wal.ranges(systemIdentifier, signal)).every(({ endLsn }) => endLsn < 0xe000000n))
  writeFileSync(history, '1\t0/6000000\tanother\n')
  assert.equal(push(history).code, 2)
  rmSync(folderOf, { recursive: true })
})

test('pushed WAL says what streamed WAL says: the same changes and commits, whatever the parser begins with', async () => {
  await server.psql(
    `create table w as select n as id, repeat('x', 3000) as body from generate_series(1, 700) n; update w set id = id + 1; truncate w; drop table w`,
  )
  const names = await finished()
  const startLsn = parsedStart(names[0]!)
  const untilLsn = parsedStart(names.at(-1)!) + BigInt(SEGMENT)
  const wanted = {
    systemIdentifier,
    spans: [{ timeline: 1, startLsn: 0n, endLsn: undefined }],
    fromLsn: startLsn,
    untilLsn,
  }
  const onProblem = (): Promise<void> => Promise.reject(new Error('no problem expected'))
  const heard = []
  for (const alone of [false, true]) {
    const other = await makeRepository(join(folder, `other-${alone}`))
    for (const name of names) {
      // Alone in its folder a segment has nothing before it: the repository must know.
      const path = alone ? copyOf(name, () => {}) : join(server.dataDirectory, 'pg_wal', name)
      await pushFile(path, { archives: [{ wal: other.wal, required: true }], shape, signal, onProblem })
    }
    const commits = []
    for (const info of await other.wal.list(systemIdentifier, signal))
      commits.push(...(await other.wal.readIndex(info, signal)).commits)
    heard.push({ changes: await collectChanges(other.wal, wanted, signal), commits })
  }
  // What the server's own stream says, as the receiver cuts it.
  const { Receiver } = await import('../../src/backup/receiver/receiver.ts')
  const { warehouseFor } = await import('../support/warehouse.ts')
  const { silentLog } = await import('../../src/base/log.ts')
  const streamed = await makeRepository(join(folder, 'streamed'))
  await server.psql(`select pg_create_physical_replication_slot('wharf_retail', true)`)
  const first = segmentName(1, startLsn, SEGMENT)
  assert.equal(first, names[0])
  await pushFile(join(server.dataDirectory, 'pg_wal', first), {
    archives: [{ wal: streamed.wal, required: true }],
    shape,
    signal,
    onProblem,
  })
  const receiver = new Receiver({
    warehouse: warehouseFor({ url: server.url }),
    repositories: [streamed],
    slot: 'wharf_retail',
    sealAfterMs: 50,
    aliveAfterMs: 20_000,
    clock: systemClock,
    log: silentLog,
    alert: () => Promise.resolve(),
  })
  const stop = new AbortController()
  const ended = receiver.run(stop.signal)
  await receiver.waitDurable(untilLsn, signal)
  stop.abort()
  await ended
  const commits = []
  for (const info of await streamed.wal.list(systemIdentifier, signal)) {
    if (info.startLsn < untilLsn) commits.push(...(await streamed.wal.readIndex(info, signal)).commits)
  }
  const truth = { changes: await collectChanges(streamed.wal, wanted, signal), commits }
  assert.ok(truth.changes.map, truth.changes.doubt)
  for (const one of heard) assert.deepEqual(one, truth)
  // Both at once into the same place: what one has stored the other finds.
  for (const name of names)
    await pushFile(join(server.dataDirectory, 'pg_wal', name), {
      archives: [{ wal: streamed.wal, required: true }],
      shape,
      signal,
      onProblem,
    })
  const ranges = (await streamed.wal.ranges(systemIdentifier, signal)).filter(({ endLsn }) => endLsn > startLsn)
  assert.equal(ranges.length, 1)
  for (const name of names) {
    const segment = await streamed.wal.segment(systemIdentifier, name, signal)
    assert.ok(segment!.bytes.equals(readFileSync(join(server.dataDirectory, 'pg_wal', name))), name)
  }
})

function parsedStart(name: string): bigint {
  const parsed = parseWalFileName(name, SEGMENT)
  assert.equal(parsed?.kind, 'segment')
  return parsed?.kind === 'segment' ? parsed.startLsn : 0n
}
