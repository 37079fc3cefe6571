// One table of a warehouse back beside a full recovery of it: `npm run bench -- table [GB] [MB of the table]`. Default: 40 MB of 4 GB, which take about 10 GB of disk at once.
// Says how long both take and where the time goes, what part of the backup's bytes was read, and how much disk the sandbox took at most, beside the WAL that replay needed.
// With a third number that many rows of the other tables are changed after the backup: WAL that touches nothing wanted.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { parseLsn } from '../src/wal/lsn.ts'
import { recover } from '../test/restore/recovered.ts'
import { openWorld, type World } from '../test/backup/world.ts'
import { contentOf, lsnOf, recoverTable } from '../test/tables/recovering.ts'
import { dropCaches } from './speed/measured.ts'

const gigabytes = Number(process.argv[2] ?? 4)
const megabytes = Number(process.argv[3] ?? (gigabytes * 1000) / 100)
const foreignRows = Number(process.argv[4] ?? 0)
/** Rows of some 1000 bytes that compress to about a third, in tables of at most 512 MB. */
const ROW_BYTES = 1000

// Freezing of what was just loaded would write WAL by the size of the warehouse: the same WAL lies behind the target at each size.
await using world = await openWorld({
  major: 18,
  settings: { max_wal_size: '4GB', wal_compression: 'pglz', autovacuum: 'off' },
})
await fill(world, 'wanted', megabytes)
const others = Math.ceil((gigabytes * 1000 - megabytes) / 500)
for (let index = 0; index < others; index++) await fill(world, `other_${index}`, 500)
const { manifest } = await world.take('full')
await world.server.psql(
  `update wanted set body = reverse(body) where id % 10 = 0; update other_0 set id = id where id % 50 = 0`,
)
if (foreignRows > 0) await world.server.psql(`update other_0 set body = reverse(body) where id <= ${foreignRows}`)
const lsn = await lsnOf(world)
const truth = await contentOf(world, 'wanted')
await world.server.psql('delete from wanted')
await world.archiveAll()

/** One table back, and taken away again. */
async function once(phases: Map<string, number>): Promise<Awaited<ReturnType<typeof recoverTable>>> {
  const report = await recoverTable(
    world,
    { tables: ['wanted'], lsn, compare: false },
    { progress: ({ phase }) => void (phases.has(phase) || phases.set(phase, performance.now())) },
  )
  phases.set('ended', performance.now())
  if ((await contentOf(world, 'wanted_recovered')) !== truth) throw new Error('the recovered table differs')
  await world.server.psql('drop table wanted_recovered')
  return report
}

// What filling has left to be written, and what is in the cache of it, is no part of either.
dropCaches()
const started = performance.now()
const phases = new Map<string, number>()
const report = await once(phases)
const ended = phases.get('ended')!
phases.delete('ended')
const tableMs = ended - started
// Once more for the disk: to look at all files three times a second takes a third of a core, so it must not be timed.
const most = new Map<string, number>()
const watching = watch(join(world.folder, 'home', 'sandboxes'), most)
await once(new Map())
clearInterval(watching)

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
const packs = await storedIn(join(world.folder, 'repository', 'packs'))
console.log(`warehouse ${mb(manifest.statistics.clusterBytes)}, table ${megabytes} MB, backup ${mb(packs)} in packs`)
console.log(`table back in ${seconds(tableMs)}`)
console.log(`read of the backup ${mb(report.fetchedBytes)}: ${((report.fetchedBytes / packs) * 100).toFixed(1)} %`)
const names = [...phases.keys()]
const times = [...phases.values(), ended]
console.log(
  `  before ${seconds(times[0]! - started)}, ${names.map((name, n) => `${name} ${seconds(times[n + 1]! - times[n]!)}`).join(', ')}`,
)
const walBytes = Number(parseLsn(lsn) - manifest.replayFromLsn)
console.log(`restored ${mb(report.restoredBytes)}, WAL from the backup to the target ${mb(walBytes)}`)
const parts = [...most].filter(([name]) => name !== 'all').map(([name, bytes]) => `${name} ${mb(bytes)}`)
console.log(`disk of the sandbox at most ${mb(most.get('all') ?? 0)} (each at its most: ${parts.join(', ')})`)

dropCaches()
const again = performance.now()
{
  await using full = await recover(world, { lsn, verify: 'connect' })
  if ((await full.psql<{ rows: string }>('select count(*) as rows from wanted'))[0]!.rows === '0')
    throw new Error('empty')
}
const fullMs = performance.now() - again
console.log(`full recovery in ${seconds(fullMs)}: ${(fullMs / tableMs).toFixed(1)} times as long`)

async function fill({ server }: World, name: string, size: number): Promise<void> {
  const rows = Math.round((size * 1e6) / ROW_BYTES)
  await server.psql(
    `create table ${name} (id int, body text, filler text);
     alter table ${name} alter body set storage plain, alter filler set storage plain;
     insert into ${name} select g, (select string_agg(md5(g::text || i), '') from generate_series(1, 9) i), repeat('x', 640) from generate_series(1, ${rows}) g`,
  )
}

async function storedIn(folder: string): Promise<number> {
  return (await diskOf(folder)).get('all')!
}

/** Bytes on disk, by the first folder of the data directory. */
async function diskOf(folder: string): Promise<Map<string, number>> {
  const sums = new Map([['all', 0]])
  for (const name of await readdir(folder, { recursive: true })) {
    const about = await stat(join(folder, name)).catch(() => undefined)
    if (!about?.isFile()) continue
    const part = /^[^/]+\/data\/([^/]+)\//.exec(name)?.[1] ?? 'other'
    for (const one of ['all', part]) sums.set(one, (sums.get(one) ?? 0) + about.blocks * 512)
  }
  return sums
}

function watch(folder: string, most: Map<string, number>): NodeJS.Timeout {
  return setInterval(() => {
    diskOf(folder).then(
      (now) => now.forEach((bytes, name) => most.set(name, Math.max(most.get(name) ?? 0, bytes))),
      () => undefined,
    )
  }, 300)
}
