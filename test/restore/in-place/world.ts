// A warehouse that was backed up, went on, crashed and was damaged on its disk: what a recovery in place is for.
import { execFileSync } from 'node:child_process'
import { appendFile, chown, mkdir, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Random } from '../../../src/base/random.ts'
import { contentsOf } from '../../backup/truth.ts'
import { makeFolder, openWorld, type World } from '../../backup/world.ts'
import type { Major } from '../../support/postgres.ts'

export interface Lost {
  readonly world: World
  /** Data directory, stopped. */
  readonly directory: string
  readonly tablespace: string
  /** What a client saw last: its WAL is in pg_wal alone. */
  readonly contents: Record<string, string>
}

/** Last commits, and a tablespace and a database, are in no archive. */
export async function openLost(major: Major): Promise<Lost & AsyncDisposable> {
  const world = await openWorld({ major, settings: { autovacuum: 'off', work_mem: '17MB' } })
  const { server } = world
  const tablespace = await makeFolder(world, 'old-space')
  await server.psql(`create tablespace old location '${tablespace}'`)
  await server.psql(`
    create table t as select n as id, repeat(md5(n::text), 20) as body from generate_series(1, 6000) n;
    create index on t (id);
    create table a tablespace old as select n as id, md5(n::text) as body from generate_series(1, 6000) n;
    create table gone as select 1 as id;
    create unlogged table notes as select 1 as id`)
  await world.take('full')
  await server.psql(`update t set body = reverse(body) where id % 50 = 0; drop table gone`)
  await world.archiveAll()
  await server.psql(`alter system set archive_command = 'false'`)
  await server.psql('select pg_reload_conf()')
  const fresh = await makeFolder(world, 'fresh-space')
  await server.psql(`create tablespace fresh location '${fresh}'`)
  await server.psql('create table b tablespace fresh as select n as id from generate_series(1, 500) n')
  await server.psql('create database later')
  await server.psql('select pg_switch_wal()')
  await server.psql('insert into t select n, md5(n::text) from generate_series(9000, 9100) n')
  const contents = await contentsOf(server)
  await server.psql('checkpoint')
  await server.psql('begin; insert into t values (-1, $$never committed$$); checkpoint; rollback')
  await server.stop('immediate')
  return {
    world,
    directory: server.dataDirectory,
    tablespace,
    contents,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

/** All files of relations below base, global and tablespaces, with their sizes. */
export async function relationFiles(directory: string): Promise<readonly { path: string; bytes: number }[]> {
  const found: { path: string; bytes: number }[] = []
  for (const top of ['base', 'global', 'pg_tblspc']) {
    const listed = execFileSync('find', ['-L', join(directory, top), '-type', 'f'], { encoding: 'utf8' })
    for (const path of listed.split('\n').filter((one) => /\/\d+(_\w+)?(\.\d+)?$/.test(one)))
      found.push({ path, bytes: (await stat(path)).size })
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1))
}

/** Hurts relation files everywhere and in every way: bits, zeros, moved pages, cut, longer, gone, of another kind. */
export async function damage(directory: string, random: Random): Promise<void> {
  const files = (await relationFiles(directory)).filter((one) => one.bytes > 0)
  const pick = (): { path: string; bytes: number } => files.splice(random.integer(files.length), 1)[0]!
  for (let turn = 0; turn < 12; turn++) {
    const { path, bytes } = pick()
    await using handle = await open(path, 'r+')
    const at = 8192 * random.integer(bytes / 8192)
    const page = Buffer.alloc(8192)
    await handle.read(page, 0, 8192, at)
    if (turn % 3 === 0) page[random.integer(8192)]! ^= 1 << random.integer(8)
    else if (turn % 3 === 1) page.fill(0)
    else await handle.read(page, 0, 8192, 8192 * random.integer(bytes / 8192))
    await handle.write(page, 0, 8192, at)
  }
  await truncate(pick().path, 0)
  await appendFile(pick().path, Buffer.alloc(3 * 8192, 7))
  await rm(pick().path)
  const other = pick().path
  await rm(other)
  await mkdir(other)
  await writeFile(join(other, 'inside'), 'what is this')
}

/** What nobody's backup has, in all places; returns the files that are the user's and must stay. */
export async function addStrangers(directory: string): Promise<readonly string[]> {
  await writeFile(join(directory, 'base', '99999'), 'left over')
  await mkdir(join(directory, 'base', '4711'))
  await writeFile(join(directory, 'base', '4711', '1'), 'left over')
  await writeFile(join(directory, 'global', 'pg_internal.init'), 'stale')
  await writeFile(join(directory, 'backup_label'), 'stale')
  await appendFile(join(directory, 'pg_hba.conf'), '# mine\n')
  await writeFile(join(directory, 'server.crt'), 'certificate')
  await mkdir(join(directory, 'pg_log'))
  await writeFile(join(directory, 'pg_log', 'today.log'), 'what happened')
  const about = await stat(directory)
  for (const name of ['server.crt', 'pg_log', 'pg_log/today.log'])
    await chown(join(directory, name), about.uid, about.gid)
  return ['server.crt', 'pg_log/today.log']
}

export async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).sort()
}
