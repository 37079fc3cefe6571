// How fast `restore_command` hands over WAL. Usage: npm run bench -- wal-get [segments=240] [rounds=3]
//
// A restored directory as `wharf recover run` leaves it, its WAL in an encrypted repository in a folder. The command is run by /bin/sh for one segment
// after the other, as a recovering server does; what comes is compared with what the server archived, then removed. Beside it, for 20 segments each:
// the same with nothing fetched ahead. Nothing replays meanwhile: a server that does shares the processors with it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chownSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { pushFile } from '../src/backup/push/push-file.ts'
import { spoolName } from '../src/recovery/get/ahead/spool.ts'
import { parseControlFile } from '../src/wal/control-file.ts'
import { recover } from '../test/restore/recovered.ts'
import { openWorld } from '../test/backup/world.ts'

const wanted = Number(process.argv[2] ?? 240)
const rounds = Number(process.argv[3] ?? 3)
const signal = new AbortController().signal

await using world = await openWorld({ major: 18, settings: { max_wal_size: '1GB', autovacuum: 'off' } })
const { server, archive, folder } = world
await server.psql('create table t (id bigint, body text)')
await world.take('full')
const control = parseControlFile(readFileSync(join(server.dataDirectory, 'global/pg_control')))
const sums = new Map<string, string>()
console.log('making WAL …')
for (let made = 0; sums.size < wanted + 1; made++) {
  const insert = `insert into t select n, repeat(md5((n + ${made})::text), 3) from generate_series(1, 150000) n`
  await server.psql(made % 4 === 3 ? 'truncate t' : insert)
  await keepArchived()
}
// As where one user runs both: else recovery fetches all of it beforehand.
if (server.account) giveTo(join(folder, 'repository'), server.account)
const base = await recover(world, { latest: true, start: false, verify: 'connect' })
const data = base.directory
const names = [...sums.keys()].sort().slice(1, wanted + 1)
if (base.report.plan.wal.delivery !== 'repository') throw new Error('the WAL was fetched beforehand')
console.log(
  `${names.length} segments of ${control.walSegmentBytes / 1024 / 1024} MB; the object of the last: ${storedBytes()} bytes`,
)
const command = commandOf()

const measured: number[] = []
for (let round = 0; round < rounds; round++) {
  rmSync(join(data, spoolName), { recursive: true, force: true })
  const began = performance.now()
  for (const name of names) hand(name)
  measured.push(names.length / ((performance.now() - began) / 1000))
  console.log(`round ${round + 1}: ${measured.at(-1)!.toFixed(1)} segments/s`)
}
console.log(`median: ${median(measured).toFixed(1)} segments/s (goal: >= 15)`)
const few = names.slice(0, 20)
const began = performance.now()
for (const name of few) {
  rmSync(join(data, spoolName), { recursive: true, force: true })
  hand(name)
}
console.log(`nothing ahead: ${(few.length / ((performance.now() - began) / 1000)).toFixed(1)} segments/s`)
rmSync(join(data, 'recovery.signal'))

/** Into the repository, its sum remembered, away. */
async function keepArchived(): Promise<void> {
  const files = readdirSync(archive)
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort()
  for (const name of files) {
    const path = join(archive, name)
    // cp may still be writing it.
    if (statSync(path).size !== control.walSegmentBytes) continue
    await pushFile(path, {
      archives: [{ wal: world.repository.wal, required: true }],
      shape: { ...control, postgresVersion: 180_000, segmentBytes: control.walSegmentBytes },
      signal,
      onProblem: () => Promise.resolve(),
    })
    sums.set(name, sumOf(path))
    rmSync(path)
  }
}

function giveTo(path: string, { uid, gid }: { uid: number; gid: number }): void {
  for (const name of ['', ...readdirSync(path, { recursive: true, encoding: 'utf8' })])
    chownSync(join(path, name), uid, gid)
}

function hand(name: string): void {
  const said = spawnSync('/bin/sh', ['-c', command.replaceAll('%f', name).replaceAll('%p', 'pg_wal/RECOVERYXLOG')], {
    cwd: data,
    encoding: 'utf8',
  })
  if (said.status !== 0) throw new Error(`${name}: ${said.status} ${said.stderr}`)
  const path = join(data, 'pg_wal/RECOVERYXLOG')
  if (sumOf(path) !== sums.get(name)) throw new Error(`${name} is not what the server archived`)
  rmSync(path)
}

function commandOf(): string {
  const text = readFileSync(join(data, 'postgresql.auto.conf'), 'utf8')
  return /restore_command = '(.*)'$/m.exec(text)![1]!.replaceAll("''", "'").replaceAll('%%', '%')
}

function sumOf(path: string): string {
  return createHash('sha1').update(readFileSync(path)).digest('hex')
}

function storedBytes(): number {
  const objects = readdirSync(join(folder, 'repository', 'wal'), { recursive: true, withFileTypes: true })
  const last = objects.filter((one) => one.isFile()).at(-1)!
  return statSync(join(last.parentPath, last.name)).size
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!
}
