// The streaming client against real servers; the truth is the WAL files in the server's own pg_wal.
import assert from 'node:assert/strict'
import { cp, readFile, rm, writeFile, chown } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { ReplicationSession } from '../../src/warehouse/contract.ts'
import { parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { scratchFolder, startServer, type TestServer } from '../support/postgres.ts'
import { warehouseFor } from '../support/warehouse.ts'

const segmentBytes = 16 * 1024 * 1024
const signal = new AbortController().signal

async function currentLsn(server: TestServer): Promise<Lsn> {
  const [row] = await server.psql<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn')
  return parseLsn(row!.lsn)
}

/** The same stretch from the files of pg_wal. */
async function walOnDisk(server: TestServer, timeline: number, range: { from: Lsn; to: Lsn }): Promise<Buffer> {
  const parts: Buffer[] = []
  const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, '0')
  for (let at = range.from; at < range.to;) {
    const segment = at / BigInt(segmentBytes)
    const name = `${hex(BigInt(timeline))}${hex(segment / 256n)}${hex(segment % 256n)}`
    const bytes = await readFile(join(server.dataDirectory, 'pg_wal', name))
    const start = Number(at % BigInt(segmentBytes))
    const end = Math.min(segmentBytes, start + Number(range.to - at))
    parts.push(bytes.subarray(start, end))
    at += BigInt(end - start)
  }
  return Buffer.concat(parts)
}

async function collect(
  session: ReplicationSession,
  options: { slot: string | undefined; timeline: number; from: Lsn; to: Lsn },
): Promise<Buffer> {
  const parts: Buffer[] = []
  const stream = session.stream({ slot: options.slot, timeline: options.timeline, startLsn: options.from, signal })
  let at = options.from
  for await (const piece of stream.messages()) {
    assert.equal(piece.startLsn, at)
    parts.push(Buffer.from(piece.bytes))
    at += BigInt(piece.bytes.length)
    assert.ok(piece.serverLsn >= at - BigInt(piece.bytes.length))
    stream.report({ writtenLsn: at, flushedLsn: at })
    if (at >= options.to) break
    // Long enough for the server to fill the client's queue, so that the socket is held.
    if (parts.length === 1) await new Promise((resolve) => setTimeout(resolve, 300))
  }
  return Buffer.concat(parts).subarray(0, Number(options.to - options.from))
}

for (const major of [15, 18] as const) {
  void test(`WAL of ${major} arrives byte for byte, with a slot and SCRAM, also when the reader is slow`, async () => {
    await using server = await startServer({ major, authentication: 'scram-sha-256' })
    await using session = await warehouseFor({ url: server.url }).connectReplication({ purpose: 'test', signal })
    const identity = await session.identify()
    const [truth] = await server.psql<{ id: string }>('select system_identifier::text as id from pg_control_system()')
    assert.equal(identity.systemIdentifier, BigInt(truth!.id))
    assert.equal(identity.timeline, 1)
    const { restartLsn } = await session.ensureSlot('wharf_test')
    assert.ok(restartLsn !== undefined)
    assert.deepEqual(await session.ensureSlot('wharf_test'), { restartLsn })
    assert.equal(await session.timelineHistory(1), undefined)

    await server.psql(
      `create table t as select n, repeat(md5(n::text), 10) as filler from generate_series(1, 100000) n`,
    )
    await server.psql('select pg_switch_wal()')
    await server.psql('create table u as select 1 as one')
    const from = restartLsn - (restartLsn % BigInt(segmentBytes))
    const to = await currentLsn(server)
    assert.ok(to - from > 30_000_000n, 'more than the queue of the client holds')
    const got = await collect(session, { slot: 'wharf_test', timeline: 1, from, to })
    assert.ok(got.equals(await walOnDisk(server, 1, { from, to })))
  })
}

void test('positions that are reported move the slot, and only those', async () => {
  await using server = await startServer({ major: 18 })
  await using session = await warehouseFor({ url: server.url }).connectReplication({ purpose: 'test', signal })
  const { restartLsn } = await session.ensureSlot('wharf_test')
  const from = restartLsn! - (restartLsn! % BigInt(segmentBytes))
  const slotLsn = async (): Promise<Lsn> => {
    const [row] = await server.psql<{ lsn: string }>('select restart_lsn::text as lsn from pg_replication_slots')
    return parseLsn(row!.lsn)
  }
  const stop = new AbortController()
  const stream = session.stream({ slot: 'wharf_test', timeline: 1, startLsn: from, signal: stop.signal })
  const reading = (async () => {
    for await (const piece of stream.messages()) assert.ok(piece.bytes.length > 0)
  })()
  await server.psql('create table t as select generate_series(1, 1000) as n')
  const to = await currentLsn(server)
  assert.equal(await slotLsn(), restartLsn)
  stream.report({ writtenLsn: to, flushedLsn: from + 100n })
  while ((await slotLsn()) !== from + 100n) await new Promise((resolve) => setTimeout(resolve, 20))
  stream.report({ writtenLsn: to, flushedLsn: to })
  while ((await slotLsn()) !== to) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(stream.silentForMs() < 60_000)
  stop.abort(new Error('enough'))
  await assert.rejects(reading, /enough/)
})

void test('a promotion ends the timeline and names the next one', async () => {
  await using primary = await startServer({ major: 18 })
  await using scratch = await scratchFolder()
  const copy = join(scratch.path, 'copy')
  await primary.psql('create table t as select generate_series(1, 1000) as n')
  await primary.stop()
  await cp(primary.dataDirectory, copy, { recursive: true })
  await writeFile(join(copy, 'standby.signal'), '')
  await rm(join(copy, 'postmaster.pid'), { force: true })
  if (primary.account) {
    const { uid, gid } = primary.account
    const { readdir } = await import('node:fs/promises')
    for (const name of [copy, ...(await readdir(copy, { recursive: true })).map((one) => join(copy, one))])
      await chown(name, uid, gid)
  }
  await using standby = await startServer({ major: 18, dataDirectory: copy })
  await using session = await warehouseFor({ url: standby.url }).connectReplication({ purpose: 'test', signal })
  const { timeline, flushLsn } = await session.identify()
  assert.equal(timeline, 1)
  const startLsn = flushLsn - (flushLsn % BigInt(segmentBytes))
  const stream = session.stream({ slot: undefined, timeline: 1, startLsn, signal })
  let end = startLsn
  let promoted = false
  for await (const piece of stream.messages()) {
    end = piece.startLsn + BigInt(piece.bytes.length)
    stream.report({ writtenLsn: end, flushedLsn: end })
    if (!promoted) await standby.psql('select pg_promote(false)')
    promoted = true
  }
  const next = stream.next()
  assert.ok(next)
  assert.deepEqual([next.timeline, next.startLsn], [2, end])
  const history = await session.timelineHistory(2)
  assert.equal(history, await readFile(join(copy, 'pg_wal', '00000002.history'), 'utf8'))
  const to = next.startLsn + 100n
  const from = startLsn
  const got = await collect(session, { slot: undefined, timeline: 2, from, to })
  assert.ok(got.equals(await walOnDisk(standby, 2, { from, to })))
})

void test('a stream ends when the server shuts down, and fails when it is killed', async () => {
  await using server = await startServer({ major: 15 })
  const warehouse = warehouseFor({ url: server.url })
  for (const end of ['stop', 'kill'] as const) {
    await using session = await warehouse.connectReplication({ purpose: 'test', signal })
    const { flushLsn } = await session.identify()
    const startLsn = flushLsn - (flushLsn % BigInt(segmentBytes))
    const stream = session.stream({ slot: undefined, timeline: 1, startLsn, signal })
    let ending: Promise<void> | undefined
    const reading = (async () => {
      for await (const piece of stream.messages()) {
        const at = piece.startLsn + BigInt(piece.bytes.length)
        stream.report({ writtenLsn: at, flushedLsn: at })
        ending ??= end === 'stop' ? server.stop() : server.kill9()
      }
    })()
    if (end === 'stop') await reading
    else await assert.rejects(reading, { code: 'warehouse.connection-lost' })
    assert.equal(stream.next(), undefined)
    await ending
    await server.start()
  }
})

void test('a slot that somebody uses is a passing error', async () => {
  await using server = await startServer({ major: 18 })
  const warehouse = warehouseFor({ url: server.url })
  await using first = await warehouse.connectReplication({ purpose: 'test', signal })
  const { restartLsn } = await first.ensureSlot('wharf_test')
  const stop = new AbortController()
  const drain = async (session: ReplicationSession): Promise<void> => {
    const options = { slot: 'wharf_test', timeline: 1, startLsn: restartLsn!, signal: stop.signal }
    for await (const piece of session.stream(options).messages()) assert.ok(piece.bytes.length > 0)
  }
  const reading = drain(first)
  while ((await server.psql('select 1 from pg_replication_slots where active')).length === 0);
  const [row] = await server.psql<{ active_pid: number }>('select active_pid from pg_replication_slots')
  await using second = await warehouse.connectReplication({ purpose: 'test', signal })
  const message = `the slot "wharf_test" of warehouse "retail" is in use: replication slot "wharf_test" is active for PID ${row!.active_pid}`
  await assert.rejects(drain(second), { code: 'warehouse.slot-busy', message, passing: true })
  await assert.rejects(second.dropSlot('wharf_test'), { code: 'warehouse.slot-busy', passing: true })
  stop.abort(new Error('enough'))
  await assert.rejects(reading, /enough/)
})

void test('WAL that is gone and a missing slot are named', async () => {
  await using server = await startServer({ major: 18 })
  const warehouse = warehouseFor({ url: server.url })
  await server.psql(
    'select pg_switch_wal(); create table t(); select pg_switch_wal(); checkpoint; create table u(); select pg_switch_wal(); checkpoint',
  )
  const drain = async (slot: string | undefined): Promise<void> => {
    await using session = await warehouse.connectReplication({ purpose: 'test', signal })
    for await (const piece of session.stream({ slot, timeline: 1, startLsn: 0x1000000n, signal }).messages())
      assert.fail(`${piece.bytes.length} bytes`)
  }
  await assert.rejects(drain(undefined), {
    code: 'warehouse.wal-gone',
    message:
      'warehouse "retail" no longer has the WAL that was asked for: requested WAL segment 000000010000000000000001 has already been removed',
  })
  await assert.rejects(drain('nosuch'), {
    code: 'warehouse.slot-lost',
    message: 'the slot "nosuch" of warehouse "retail" cannot be used: replication slot "nosuch" does not exist',
  })
})
