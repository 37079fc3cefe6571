// CPU cost of reading WAL: parser alone, with change map and commit index, and the parts. Prints seconds of CPU per GB (2^30 bytes).
// Usage: node bin/wharf-node bench/wal-parse.ts
import { crc32c } from '@node-rs/crc32'

import { recordCrc } from '../src/wal/crc32c.ts'
import { encodeChangeMap } from '../src/repository/wal/change-map.ts'
import { encodeCommits } from '../src/repository/wal/commits.ts'
import { WalIndexer } from '../src/wal/indexer.ts'
import { RecordStream } from '../src/wal/record-stream.ts'
import { startServer } from '../test/support/postgres.ts'
import { currentLsn, readWal } from '../test/wal/pg-wal.ts'

const SEGMENT_BYTES = 16 << 20
const SLICE_BYTES = 128 << 10

/** WAL of short transactions (the worst case: the smallest records), and of a bulk load. */
const workloads = {
  'short transactions': `
    CREATE TABLE accounts (id int PRIMARY KEY, balance int, filler char(84));
    INSERT INTO accounts SELECT n, 0, '' FROM generate_series(1, 200000) n;
    CREATE TABLE history (id int, delta int, at timestamptz, filler char(22));
    CHECKPOINT;`,
  'bulk load': 'CREATE TABLE facts (id bigint PRIMARY KEY, a int, b int, note text); CHECKPOINT;',
} as const
const steps = {
  'short transactions': `DO $$ DECLARE one int; BEGIN FOR n IN 1..60000 LOOP one := 1 + (random() * 199999)::int;
      UPDATE accounts SET balance = balance + 1 WHERE id = one;
      INSERT INTO history VALUES (n, 1, now(), ''); COMMIT; END LOOP; END $$`,
  'bulk load':
    'INSERT INTO facts SELECT coalesce((SELECT max(id) FROM facts), 0) + n, n % 100, n % 7, md5(n::text) FROM generate_series(1, 200000) n',
} as const

async function collect(name: keyof typeof workloads): Promise<{ startLsn: bigint; bytes: Buffer }> {
  await using server = await startServer({
    major: 18,
    settings: { wal_keep_size: '8GB', max_wal_size: '8GB', checkpoint_timeout: '1h' },
  })
  for (const sql of workloads[name].split(';')) if (sql.trim() !== '') await server.psql(sql)
  const from = await currentLsn(server)
  while ((await currentLsn(server)) - from < 200n << 20n) await server.psql(steps[name])
  const parts: Buffer[] = []
  let startLsn: bigint | undefined
  for await (const part of readWal(server, { from, to: await currentLsn(server), segmentBytes: SEGMENT_BYTES })) {
    startLsn ??= part.startLsn
    parts.push(part.bytes)
  }
  return { startLsn: startLsn ?? 0n, bytes: Buffer.concat(parts) }
}

function cpuPerGb(bytes: number, work: () => void): string {
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const before = process.cpuUsage()
    work()
    const used = process.cpuUsage(before)
    times.push((used.user + used.system) / 1e6)
  }
  times.sort((a, b) => a - b)
  return `${((times[2]! / bytes) * 2 ** 30).toFixed(2)} s/GB`
}

for (const name of Object.keys(workloads) as (keyof typeof workloads)[]) {
  const { startLsn, bytes } = await collect(name)
  const open = (sink: ConstructorParameters<typeof RecordStream>[1], checkCrc = true) =>
    new RecordStream({ startLsn, majorVersion: 18, segmentBytes: SEGMENT_BYTES, checkCrc }, sink)
  const feed = (stream: RecordStream, after?: (at: number) => void): RecordStream => {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      stream.push(bytes.subarray(at, at + SLICE_BYTES))
      after?.(at)
    }
    return stream
  }
  const nothing = { record: () => {} }
  const stream = feed(open(nothing))
  if (stream.problems.length > 0) throw new Error(`not WAL: ${stream.problems[0]?.message}`)
  console.log(
    `${name}: ${(bytes.length / 2 ** 20).toFixed(0)} MB, ${stream.recordCount} records of ${Math.round(bytes.length / stream.recordCount)} bytes`,
  )
  console.log(`  records, no CRC          ${cpuPerGb(bytes.length, () => feed(open(nothing, false)))}`)
  console.log(`  records                  ${cpuPerGb(bytes.length, () => feed(open(nothing)))}`)
  console.log(
    `  map and commits per segment ${cpuPerGb(bytes.length, () => {
      const indexer = new WalIndexer(18, startLsn)
      feed(open(indexer), (at) => {
        if ((at + SLICE_BYTES) % SEGMENT_BYTES !== 0) return
        const { changeMap, commits } = indexer.cut(startLsn + BigInt(at + SLICE_BYTES))
        encodeChangeMap(changeMap)
        encodeCommits(commits)
      })
    })}`,
  )
}

const sample = Buffer.alloc(4096, 7)
const view = new DataView(sample.buffer, sample.byteOffset, sample.length)
for (const size of [64, 128, 256, 384, 512, 1024]) {
  const rounds = (64 << 20) / size
  const plain = cpuPerGb(64 << 20, () => {
    for (let n = 0; n < rounds; n++) recordCrc(sample, view, 0, Math.min(size, 255))
  })
  const native = cpuPerGb(64 << 20, () => {
    for (let n = 0; n < rounds; n++) crc32c(sample.subarray(0, size))
  })
  console.log(`  CRC of ${size} bytes: own ${plain} (at most 255 bytes), native ${native}`)
}
