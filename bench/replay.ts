// Time of replay by kind of WAL: each kind is written after a backup, recovered again as it grows, and set beside what WAL consists of.
// Usage: npm run bench -- replay [MAJOR] [MEGABYTES] [KIND,KIND…]. Prints one line of JSON for each recovery.
import { rm } from 'node:fs/promises'

import { systemClock } from '../src/base/clock.ts'
import { MIB } from '../src/base/units.ts'
import { room as recoveryRoom } from '../src/recovery/room.ts'
import { runRecovery } from '../src/recovery/run-recovery.ts'
import { RecordStream } from '../src/wal/record-stream.ts'
import { parseLsn } from '../src/wal/lsn.ts'
import { rmgr, xlogInfo } from '../src/wal/layouts.ts'
import { endServer } from '../src/warehouse/servers.ts'
import { openWorld, type World } from '../test/backup/world.ts'
import { requestFor } from '../test/restore/recovered.ts'
import { testContext } from '../test/support/context.ts'
import type { Major } from '../test/support/postgres.ts'

const signal = new AbortController().signal
const major = Number(process.argv[2] ?? 17) as Major
const megabytes = Number(process.argv[3] ?? 60)
const ROUNDS = 2

interface Kind {
  readonly name: string
  readonly prepare: string
  /** Writes about `megabytes` of WAL. */
  readonly write: (world: World) => Promise<unknown>
}

const sql = (text: string) => (world: World) => world.server.psql(text)
const big = (rows: number): string =>
  `create table big (id int, n int, pad text) with (fillfactor = 90); insert into big select n, 0, repeat('x', 60) from generate_series(1, ${rows}) n; vacuum freeze big`

const kinds: readonly Kind[] = [
  {
    name: 'bulk insert',
    prepare: 'create table fact (id bigint, day date, amount int, note text)',
    write: sql(
      `insert into fact select n, date '2026-01-01' + n % 300, n % 1000, repeat(md5(n::text), 3) from generate_series(1, ${megabytes * 6000}) n`,
    ),
  },
  {
    name: 'copy',
    prepare: 'create table fact (id bigint, note text)',
    write: sql(
      `copy fact from program 'seq -f "%.0f|${'abcdefgh'.repeat(8)}" 1 ${megabytes * 9000}' with (delimiter '|')`,
    ),
  },
  {
    name: 'random btree',
    prepare: `create table keyed (key text primary key); insert into keyed select md5(n::text) from generate_series(1, 300000) n`,
    write: sql(`insert into keyed select md5(random()::text || n) from generate_series(1, ${megabytes * 2500}) n`),
  },
  {
    name: 'images',
    prepare: big(400_000),
    write: sql(`checkpoint; update big set n = n + 1 where id % 60 = (random() * 59)::int`),
  },
  {
    name: 'scattered updates',
    prepare: `${big(400_000)}; create index on big (id)`,
    write: async (world) => {
      for (let n = 0; n < Math.ceil(megabytes / 8); n++)
        await world.server.psql(`update big set n = n + 1 where id % 11 = ${n % 11}`)
    },
  },
  {
    name: 'hot rows',
    prepare: `create table hot (id int primary key, n int) with (fillfactor = 50); insert into hot select n, 0 from generate_series(1, 2000) n`,
    write: sql(`do $$ begin for n in 1..${megabytes * 5} loop update hot set n = hot.n + 1; end loop; end $$`),
  },
  {
    name: 'commits',
    prepare: `create table hot (id int primary key, n int) with (fillfactor = 50); insert into hot select n, 0 from generate_series(1, 20000) n`,
    write: sql(
      `do $$ declare one int; begin for n in 1..${megabytes * 1500} loop one := 1 + (random() * 19999)::int; update hot set n = hot.n + 1 where id = one; commit; end loop; end $$`,
    ),
  },
  {
    name: 'index build',
    prepare: big(600_000),
    write: sql(`create index on big (id); create index on big (id, n)`),
  },
  {
    name: 'switches',
    prepare: 'create table little (id int)',
    write: async (world) => {
      for (let n = 0; n < megabytes / 8; n++)
        await world.server.psql(`insert into little values (1); select pg_switch_wal()`)
    },
  },
]

interface Contents {
  bytes: number
  storedBytes: number
  records: number
  images: number
  imageBytes: number
  voidBytes: number
  blocks: number
  commits: number
  chunks: number
  reads: number
}

async function contentsOf(world: World, from: bigint, to: bigint): Promise<Contents> {
  const found = {
    bytes: Number(to - from),
    storedBytes: 0,
    records: 0,
    images: 0,
    imageBytes: 0,
    voidBytes: 0,
    blocks: 0,
    commits: 0,
    chunks: 0,
    reads: 0,
  }
  const { wal } = world.repository
  const [backup] = await world.repository.listBackups(signal, { warehouse: 'retail' })
  let stream: RecordStream | undefined
  for (const info of await wal.list(backup!.systemIdentifier, signal)) {
    if (info.endLsn <= from || info.startLsn >= to) continue
    const chunk = await wal.read(info, signal)
    stream ??= new RecordStream(
      { startLsn: info.startLsn, majorVersion: major, segmentBytes: chunk.walSegmentBytes },
      {
        record: (record) => {
          if (record.start < Number(from - info.startLsn)) return
          found.records++
          for (let n = 0; n < record.blockCount; n++) {
            const bytes = record.imageLength[n] ?? 0
            if (bytes > 0) found.images++
            found.imageBytes += bytes
          }
          if (record.rmgr === rmgr.xlog && record.kind === xlogInfo.switch)
            found.voidBytes += record.end - record.start - record.totalLength
        },
      },
    )
    stream.push(chunk.bytes)
    found.chunks++
    found.storedBytes += info.storedBytes
    found.reads += chunk.contents?.reads ?? 0
    found.commits += chunk.commits.filter((one) => one.kind === 'commit').length
    for (const { change } of chunk.changeMap!.entries()) found.blocks += change.blocks.length
  }
  return found
}

async function measure(world: World, backup: string): Promise<{ replayMs: number; from: bigint; to: bigint }> {
  await using scope = new AsyncDisposableStack()
  const request = await requestFor(world, { latest: true, verify: 'connect', backup })
  const context = testContext({ home: world.folder, rooms: [recoveryRoom] }, scope)
  try {
    const report = await runRecovery(request, context, { report: () => {}, signal })
    const { fromLsn, toLsn } = report.plan.wal
    return { replayMs: report.proof!.times.replayMs, from: parseLsn(fromLsn), to: parseLsn(toLsn) }
  } finally {
    const { toDirectory: dataDirectory } = request
    await endServer({ dataDirectory, mode: 'immediate', clock: systemClock, signal }).catch(() => {})
    await rm(dataDirectory, { recursive: true, force: true })
  }
}

const wanted = process.argv[4]?.split(',')
for (const kind of kinds) {
  if (wanted && !wanted.includes(kind.name)) continue
  await using world = await openWorld({
    major,
    settings: { max_wal_size: '4GB', shared_buffers: '64MB', checkpoint_timeout: '1h', autovacuum: 'off' },
  })
  for (const text of kind.prepare.split(';')) await world.server.psql(text)
  const { manifest } = await world.take('full')
  for (let round = 0; round <= ROUNDS; round++) {
    if (round > 0) await kind.write(world)
    await world.archiveAll()
    const { replayMs, from, to } = await measure(world, manifest.id)
    const contents = await contentsOf(world, from, to)
    console.log(
      JSON.stringify({
        kind: kind.name,
        round,
        major,
        replayMs: Math.round(replayMs),
        mbPerSecond: Math.round(contents.bytes / MIB / (replayMs / 1000)),
        ...contents,
      }),
    )
  }
}
