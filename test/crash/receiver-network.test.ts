// Connections that break or fall silent, and a server that is promoted.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

import { parseLsn } from '../../src/wal/lsn.ts'
import { segmentStart } from '../../src/wal/segments.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import {
  compareWithServer,
  currentLsn,
  load,
  never,
  openReceiverWorld,
  receiving,
  SEGMENT_BYTES,
  SEGMENT_MEGABYTES,
} from './receiver-world.ts'

interface Proxy extends AsyncDisposable {
  readonly port: number
  /** From now on nothing passes any more on the connections that stand, and nobody is told. */
  freeze(): void
  cut(): void
  readonly connections: number
}

async function proxyTo(port: number): Promise<Proxy> {
  const pairs = new Set<[Socket, Socket]>()
  let connections = 0
  const server = createServer((inner) => {
    connections++
    const outer = connect(port, '127.0.0.1')
    const pair: [Socket, Socket] = [inner, outer]
    pairs.add(pair)
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        for (const one of pair) one.destroy()
        pairs.delete(pair)
      })
    }
    inner.pipe(outer)
    outer.pipe(inner)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    freeze: () => {
      for (const [inner, outer] of pairs) {
        inner.unpipe(outer)
        outer.unpipe(inner)
        inner.resume()
        outer.resume()
      }
    },
    cut: () => {
      for (const [inner] of pairs) inner.destroy()
    },
    get connections() {
      return connections
    },
    [Symbol.asyncDispose]: async () => {
      for (const [inner] of pairs) inner.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('receiving over a bad network', { concurrency: 1 }, () => {
  it('notices a connection that is half open, and one that is cut', { timeout: 60_000 }, async () => {
    // The server gives up the dead connection too, else the slot stays taken.
    await using world = await openReceiverWorld({ major: 16, settings: { wal_sender_timeout: '2s' } })
    const { server } = world
    await using proxy = await proxyTo(server.port)
    const receiver = world.receiver({
      url: server.url.replace(`:${server.port}/`, `:${proxy.port}/`),
      aliveAfterMs: 1500,
    })
    const stop = new AbortController()
    const to = await receiving(receiver, async () => {
      const loading = load(server, stop.signal)
      await delay(500)
      await receiver.waitDurable(await currentLsn(server), never)
      const before = proxy.connections
      proxy.freeze()
      await receiver.waitDurable(await currentLsn(server), never)
      assert.ok(proxy.connections > before, 'a new connection was made')
      for (let round = 0; round < 5; round++) {
        await delay(100)
        proxy.cut()
      }
      stop.abort()
      await loading
      const lsn = await currentLsn(server)
      await receiver.waitDurable(lsn, never)
      return lsn
    })
    await compareWithServer(world, { to })
  })

  it('follows a promoted server to its new timeline', { timeout: 90_000 }, async () => {
    await using world = await openReceiverWorld({ major: 18 })
    const { server, repository, systemIdentifier } = world
    const first = world.receiver()
    await receiving(first, async () => {
      await server.psql('CREATE TABLE t AS SELECT generate_series(1, 20000) AS n')
      await first.waitDurable(await currentLsn(server), never)
    })
    await using standby = await standbyOf(server)
    await server.psql('INSERT INTO t SELECT generate_series(1, 5000)')
    const lsn = await currentLsn(server)
    while ((await replayed(standby)) < lsn) await delay(50)
    // The last WAL of the old timeline is stored, and then the old server is gone.
    const second = world.receiver()
    await receiving(second, () => second.waitDurable(lsn, never))
    await server.stop('immediate')
    await standby.psql('SELECT pg_promote(true)')
    const third = world.receiver({ url: standby.url })
    const to = await receiving(third, async () => {
      await standby.psql('CHECKPOINT; INSERT INTO t SELECT generate_series(1, 40000)')
      const end = await currentLsn(standby)
      await third.waitDurable(end, never)
      return end
    })
    assert.match((await repository.wal.history(systemIdentifier, 2, never)) ?? '', /^1\t/)
    await compareWithServer({ ...world, server: standby }, { to, timeline: 2 })
    const ranges = await repository.wal.ranges(systemIdentifier, never)
    const [old, fresh] = [ranges.find((one) => one.timeline === 1)!, ranges.find((one) => one.timeline === 2)!]
    const [row] = await standby.psql<{ lsn: string }>(
      "SELECT split_part(pg_read_file('pg_wal/00000002.history'), E'\\t', 2) AS lsn",
    )
    const switchLsn = parseLsn(row!.lsn)
    assert.equal(
      fresh.startLsn,
      segmentStart(switchLsn, SEGMENT_BYTES),
      'the new timeline starts with the segment of the switch',
    )
    assert.equal(old.endLsn, switchLsn, 'the old timeline is whole')
  })
})

async function replayed(standby: TestServer): Promise<bigint> {
  const [row] = await standby.psql<{ lsn: string | null }>('SELECT pg_last_wal_replay_lsn()::text AS lsn')
  return row?.lsn ? parseLsn(row.lsn) : 0n
}

/** A streaming standby, copied as a cold copy of the stopped server. */
async function standbyOf(primary: TestServer): Promise<TestServer> {
  await primary.stop('fast')
  const standby = await startServer({ major: primary.major, start: false, walSegmentMegabytes: SEGMENT_MEGABYTES })
  await promisify(execFile)('sh', [
    '-c',
    `rm -rf '${standby.dataDirectory}' && cp -a '${primary.dataDirectory}' '${standby.dataDirectory}' && rm -rf '${standby.dataDirectory}'/pg_replslot/*`,
  ])
  await primary.start()
  await writeFile(join(standby.dataDirectory, 'standby.signal'), '')
  await appendFile(
    join(standby.dataDirectory, 'postgresql.conf'),
    `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=postgres'\n`,
  )
  await standby.start()
  return standby
}
