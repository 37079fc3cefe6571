// A backup that was killed is gone on with: its packs are used again where WAL says that nothing has changed and every byte of them is proven, and only there
// (pgBackRest up to 2.03 kept stale files in resumed backups, unnoticed for years).
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { BackupKind, Repository } from '../../src/repository/contract.ts'
import { seededRandom } from '../../src/base/random.ts'
import { complaintsOf, contentsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import type { ChildOptions } from './backup-child.ts'

const child = fileURLToPath(new URL('backup-child.ts', import.meta.url))
const signal = new AbortController().signal

const notesIn = (folder: string): string[] =>
  existsSync(folder)
    ? (readdirSync(folder, { recursive: true }) as string[]).filter((name) => /\/\d{6}$/.test(name))
    : []

/** Starts a backup in a process of its own and kills it when it has noted so much more. */
async function killAfterNotes(world: World, kind: BackupKind, more: number): Promise<void> {
  const folder = join(world.folder, 'repository', 'progress', 'retail')
  const before = notesIn(folder).length
  const options: ChildOptions = {
    url: world.server.url,
    major: world.server.major,
    folder: world.folder,
    repository: join(world.folder, 'repository'),
    archive: world.archive,
    kind,
    leaseMs: 6000,
    slow: { packPlainBytes: 1024 * 1024, bytesPerSecond: 8_000_000 },
  }
  const running = spawn(process.execPath, [child, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [running.stdout, running.stderr]) stream.on('data', (bytes: Buffer) => (said += String(bytes)))
  const ended = new Promise<number | null>((done) => running.on('close', done))
  while (notesIn(folder).length < before + more) {
    const over = await Promise.race([ended, new Promise<'goes on'>((done) => setTimeout(() => done('goes on'), 20))])
    assert.equal(over, 'goes on', said)
  }
  running.kill('SIGKILL')
  await ended
}

/** Takes the backup that goes on, and compares what it restores to with the server. */
async function goOn(world: World, kind: BackupKind) {
  const taken = await world.take(kind)
  await world.archiveAll()
  const truth = await contentsOf(world.server)
  await using restored = await world.restore(taken.manifest.id)
  assert.deepEqual(await contentsOf(restored), truth)
  assert.deepEqual(await complaintsOf(restored), [])
  return { ...taken, used: taken.notes.find((note) => note.endsWith('had stored are used again')) }
}

async function objectsOf(repository: Repository, prefix: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of repository.store.list(prefix, { signal })) names.push(name)
  return names
}

/** Kills backups at moments that the seed chooses, with changes between, and rejects with the first thing that is not as promised. */
export async function resumeKilled({ seed, log }: { seed: number; log: (line: string) => void }): Promise<void> {
  await using world = await openWorld({ major: 18 })
  const { server, repository } = world
  const random = seededRandom(seed)
  await server.psql(`
    create table big with (autovacuum_enabled = off) as
      select n as id, md5(n::text) || repeat(md5((n * 7)::text), 4) as body from generate_series(1, 80000) n;
    create table moved as select n as id, repeat('m', 100) as body from generate_series(1, 10000) n;
    create table cut with (autovacuum_enabled = off) as select n as id, repeat('c', 300) as body from generate_series(1, 10000) n;
    create table again as select n as id, repeat('a', 300) as body from generate_series(1, 5000) n`)
  await killAfterNotes(world, 'full', 2 + random.integer(8))
  // All that makes an old image wrong: updates, a cut that is grown over, a table made anew, another moved elsewhere by VACUUM FULL.
  await server.psql('update big set body = reverse(body) where id % 5003 = 0')
  await server.psql('delete from cut where id > 5000')
  await server.psql('vacuum (truncate) cut')
  await server.psql(`insert into cut select n, repeat('d', 300) from generate_series(30001, 34000) n`)
  await server.psql(`truncate again; insert into again select n, repeat('b', 300) from generate_series(1, 5000) n`)
  await server.psql('vacuum full moved')
  await killAfterNotes(world, 'full', 1 + random.integer(4))
  await server.psql('delete from big where id % 7001 = 0')
  const { manifest, notes, used } = await goOn(world, 'full')
  log(used ?? notes.join('; '))
  assert.ok(used, notes.join('; '))
  const { readBytes, clusterBytes } = manifest.statistics
  // How much was noted before the kill, and of that not changed since, is a matter of moments: one pack of a MiB at the least, but for what has changed in it.
  assert.ok(readBytes < clusterBytes - 256 * 1024, `${readBytes} of ${clusterBytes} bytes were read`)
  assert.deepEqual(
    await objectsOf(repository, 'progress/'),
    [],
    'the notes are gone with the backup that they were for',
  )

  // An increment, and a pack of it that rots before the next one.
  await server.psql('update big set body = reverse(body) where id % 3 = 0')
  await killAfterNotes(world, 'incremental', 3)
  const [interrupted] = await repository.listInterrupted('retail', signal)
  const pack = interrupted!.packs[0]!
  const { file } = manifest.relations.find(({ name }) => name === 'big')!
  const extents = await repository.readPackExtents(pack, signal)
  const first = extents.find((one) => one.file === `base/${file.database}/${file.relfilenode}`)
  assert.ok(first, 'the largest is copied first')
  const path = join(world.folder, 'repository', 'packs', pack.slice(0, 2), pack)
  const bytes = readFileSync(path)
  bytes[first.ref.offset + 40]! ^= 1
  writeFileSync(path, bytes)
  const increment = await goOn(world, 'incremental')
  assert.equal(increment.manifest.parent, manifest.id)
  assert.ok(
    increment.notes.some((note) => note.startsWith(`what was stored of ${first.file} is not used: `)),
    increment.notes.join('; '),
  )
  assert.ok(!increment.manifest.packs.includes(pack))
}
