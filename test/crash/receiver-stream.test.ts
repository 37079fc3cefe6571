// The receiver against real servers: what arrives, what is said about it, and how it goes on after a stop, a restart, a hole, a promotion.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

import { mergeChangeMaps } from '../../src/wal/change-map.ts'
import type { ChangeMap } from '../../src/wal/contract.ts'
import { findLoad, findRestorePoint } from '../../src/wal/commit-index.ts'
import { WalIndexer } from '../../src/wal/indexer.ts'
import { parseLsn } from '../../src/wal/lsn.ts'
import { RecordStream } from '../../src/wal/record-stream.ts'
import { makeRepository } from '../backup/world.ts'
import { majors, scratchFolder } from '../support/postgres.ts'
import { readWal } from '../wal/pg-wal.ts'
import { runWorkload, workloadSettings } from '../wal/workload.ts'
import {
  compareWithServer,
  currentLsn,
  load,
  never,
  openReceiverWorld,
  receiving,
  SEGMENT_BYTES,
} from './receiver-world.ts'

describe('receiving', { concurrency: 1 }, () => {
  for (const major of majors) {
    it(`keeps every byte of PostgreSQL ${major}, with map and commits`, { timeout: 120_000 }, async (t) => {
      await using world = await openReceiverWorld({ major, settings: workloadSettings })
      const { server, repository, systemIdentifier } = world
      const receiver = world.receiver()
      const to = await receiving(receiver, async () => {
        await runWorkload(server)
        const lsn = await currentLsn(server)
        await receiver.waitDurable(lsn, never)
        return lsn
      })
      const { chunks } = await compareWithServer(world, { to })
      const infos = await repository.wal.list(systemIdentifier, never)
      const indexes = await Promise.all(infos.map((info) => repository.wal.readIndex(info, never)))
      const merged = mergeChangeMaps(indexes.map((one) => one.changeMap!) as [ChangeMap, ...ChangeMap[]])
      const indexer = new WalIndexer(major, infos[0]!.startLsn)
      let stream: RecordStream | undefined
      for await (const part of readWal(server, {
        from: infos[0]!.startLsn,
        to: infos.at(-1)!.endLsn,
        segmentBytes: SEGMENT_BYTES,
      })) {
        stream ??= new RecordStream(
          { startLsn: part.startLsn, majorVersion: major, segmentBytes: SEGMENT_BYTES },
          indexer,
        )
        stream.push(part.bytes)
      }
      const whole = indexer.cut(infos.at(-1)!.endLsn)
      assert.deepEqual([...merged.entries()], [...whole.changeMap.entries()])
      const commits = indexes.flatMap((one) => one.commits)
      assert.deepEqual(commits, whole.commits)
      assert.equal(findRestorePoint(commits, 'before the end')?.kind, 'restore-point')
      for (const id of ['load-1', 'load-2']) assert.equal(findLoad(commits, id)?.commit?.kind, 'commit', id)
      assert.deepEqual(world.alerts, [])
      t.diagnostic(`${chunks} chunks, ${commits.length} commits`)
    })
  }

  it('goes on where the repository ends, and tells only what is durable', { timeout: 60_000 }, async () => {
    await using world = await openReceiverWorld({ major: 18 })
    const { server } = world
    const stop = new AbortController()
    // Also where the test fails: a load that goes on would keep the process.
    using _ended = { [Symbol.dispose]: () => stop.abort() }
    const loading = load(server, stop.signal)
    for (let round = 0; round < 4; round++) {
      const receiver = world.receiver()
      await receiving(receiver, async () => {
        await delay(300)
        await receiver.waitDurable(await currentLsn(server), never)
        // The slot first: what is durable may have grown by the time that we ask for it, not shrunk.
        const [slot] = await server.psql<{ lsn: string }>(
          "SELECT restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = 'wharf_retail'",
        )
        assert.ok(parseLsn(slot!.lsn) <= parseLsn(receiver.status()[0]!.durableLsn!))
      })
    }
    stop.abort()
    await loading
    const last = world.receiver()
    const to = await receiving(last, async () => {
      const lsn = await currentLsn(server)
      await last.waitDurable(lsn, never)
      return lsn
    })
    await compareWithServer(world, { to })
  })

  it('comes back after the server was restarted and after it was killed', { timeout: 60_000 }, async () => {
    await using world = await openReceiverWorld({ major: 17, settings: { fsync: 'on' } })
    const { server } = world
    const receiver = world.receiver()
    const stop = new AbortController()
    const to = await receiving(receiver, async () => {
      const loading = load(server, stop.signal)
      await delay(500)
      await server.stop('fast')
      await server.start()
      await delay(500)
      await server.kill9()
      await server.start()
      await delay(500)
      stop.abort()
      await loading
      const lsn = await currentLsn(server)
      await receiver.waitDurable(lsn, never)
      return lsn
    })
    await compareWithServer(world, { to })
  })

  it('names a hole when the server no longer has the WAL, and goes on behind it', { timeout: 60_000 }, async () => {
    await using world = await openReceiverWorld({
      major: 15,
      settings: { wal_keep_size: '0', max_wal_size: '4MB', min_wal_size: '2MB' },
    })
    const { server, repository, systemIdentifier } = world
    const first = world.receiver()
    await receiving(first, async () => {
      await server.psql('CREATE TABLE t AS SELECT generate_series(1, 1000) AS n')
      await first.waitDurable(await currentLsn(server), never)
    })
    await server.psql("SELECT pg_drop_replication_slot('wharf_retail')")
    for (let round = 0; round < 4; round++) {
      await server.psql('INSERT INTO t SELECT generate_series(1, 30000)')
      await server.psql('CHECKPOINT')
    }
    const second = world.receiver()
    await receiving(second, async () => {
      await server.psql('INSERT INTO t VALUES (1)')
      await second.waitDurable(await currentLsn(server), never)
    })
    const ranges = await repository.wal.ranges(systemIdentifier, never)
    assert.equal(ranges.length, 2)
    assert.equal(world.alerts.length, 1)
    assert.equal(world.alerts[0]?.['reason'], 'wal-hole')
    assert.equal(parseLsn(String(world.alerts[0]?.['fromLsn'])), ranges[0]!.endLsn)
    assert.equal(parseLsn(String(world.alerts[0]?.['toLsn'])), ranges[1]!.startLsn)
  })

  it(
    'a second, empty repository gets WAL from the start of a segment, with all of its records',
    { timeout: 60_000 },
    async () => {
      await using world = await openReceiverWorld({ major: 18 })
      await using scratch = await scratchFolder()
      const { server, systemIdentifier } = world
      const first = world.receiver()
      await receiving(first, async () => {
        // Longer than a segment, so that one begins within the record.
        await server.psql("SELECT pg_logical_emit_message(true, 'wharf.load', repeat('a', 1500000))")
        await first.waitDurable(await currentLsn(server), never)
      })
      const other = await makeRepository(join(scratch.path, 'other'))
      const second = world.receiver({ repositories: [other, world.repository] })
      await receiving(second, async () => {
        await server.psql('CREATE TABLE t AS SELECT generate_series(1, 1000) AS n')
        await second.waitDurable(await currentLsn(server), never)
      })
      const infos = await other.wal.list(systemIdentifier, never)
      assert.equal(Number(infos[0]!.startLsn) % SEGMENT_BYTES, 0)
      const found = await other.wal.readIndex(infos[0]!, never)
      assert.deepEqual(
        found.commits.filter((one) => one.kind === 'load').map((one) => one.name?.length),
        [1_500_000],
      )
    },
  )
})
