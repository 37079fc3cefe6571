// kill −9 of a backup at random moments. No manifest is partial, what was complete stays complete, the server is not left in backup mode, and the next
// backup goes on by itself.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { seededRandom } from '../../src/base/random.ts'
import type { BackupKind } from '../../src/repository/contract.ts'
import { complaintsOf, contentsOf } from '../backup/truth.ts'
import { startLoad } from '../backup/load.ts'
import { openWorld, type World } from '../backup/world.ts'
import type { ChildOptions } from './backup-child.ts'

const child = fileURLToPath(new URL('backup-child.ts', import.meta.url))
const signal = new AbortController().signal
const LEASE_MS = 5000
const phases = ['starting', 'waiting for wal', 'listing', 'copying', 'stopping', 'storing'] as const

interface Ended {
  readonly id: string | undefined
  readonly lastPhase: string
  readonly stderr: string
}

/** Kills the child when it has reached the phase and some milliseconds more have passed; lets it end without one. */
async function runChild(world: World, kind: BackupKind, kill?: { phase: string; afterMs: number }): Promise<Ended> {
  const options: ChildOptions = {
    url: world.server.url,
    major: world.server.major,
    folder: world.folder,
    repository: join(world.folder, 'repository'),
    archive: world.archive,
    kind,
    leaseMs: LEASE_MS,
  }
  const running = spawn(process.execPath, [child, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  running.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()))
  running.stderr.on('data', (bytes: Buffer) => {
    stderr += bytes.toString()
    if (kill && stderr.includes(kill.phase)) setTimeout(() => running.kill('SIGKILL'), kill.afterMs)
  })
  await new Promise((done) => running.on('close', done))
  return { id: stdout.trim() || undefined, lastPhase: stderr.trim().split('\n').at(-1) ?? '', stderr }
}

async function makeData({ server }: World): Promise<void> {
  await server.psql(`
    create table sales (id bigint primary key, day date not null, amount numeric, note text);
    insert into sales select n, date '2026-01-01' + n % 300, n * 1.5, repeat(md5(n::text), 3) from generate_series(1, 60000) n;
    create table wide (id int primary key, body text);
    insert into wide select n, (select string_agg(md5((n * i)::text), '') from generate_series(1, 200) i) from generate_series(1, 300) n;
    create unlogged table scratch (id int primary key, body text);
    create table part (id int, day date) partition by range (day);
    create table part_old partition of part for values from ('2026-01-01') to ('2026-02-01');
    create table part_new partition of part for values from ('2026-02-01') to ('2026-03-01');`)
}

export interface KillOptions {
  readonly kills: number
  readonly seed: number
  readonly log: (line: string) => void
}

/** Rejects with the first thing that is not as promised. */
export async function killBackups({ kills, seed, log }: KillOptions): Promise<void> {
  const random = seededRandom(seed)
  await using world = await openWorld({ major: 18, leaseMs: LEASE_MS })
  const { server } = world
  await makeData(world)
  const load = startLoad(server, 100)
  const complete = new Set<string>()
  for (let at = 0; at < kills; at++) {
    const kill = { phase: phases[random.integer(phases.length)]!, afterMs: random.integer(400) }
    const ended = await runChild(world, at === 0 ? 'full' : 'incremental', kill)
    log(`kill ${at + 1}: ${kill.afterMs} ms after "${kill.phase}", it was ${ended.id ? 'complete' : ended.lastPhase}`)
    if (ended.id) complete.add(ended.id)
    await allWhole(world, complete)
    await noBackupMode(world)
  }
  const last = await runChild(world, 'incremental')
  assert.ok(last.id, last.stderr)
  await load.stop()
  await world.archiveAll()
  const truth = await contentsOf(server)
  await using restored = await world.restore(last.id)
  assert.deepEqual(await contentsOf(restored), truth)
  assert.deepEqual(await complaintsOf(restored), [])
}

/** Every manifest that can be seen names only what is there; none that was seen before is gone. */
async function allWhole({ repository }: World, complete: Set<string>): Promise<void> {
  const listed = await repository.listBackups(signal)
  for (const id of complete)
    assert.ok(
      listed.some((one) => one.id === id),
      `${id} is gone`,
    )
  for (const { id } of listed) {
    complete.add(id)
    const manifest = await repository.readManifest(id, signal)
    const maps = manifest.files.filter((file) => file.kind === 'segment').map((file) => file.map)
    await repository.readMaps(maps, signal)
    for (const pack of manifest.packs)
      assert.ok(await repository.store.stat(`packs/${pack.slice(0, 2)}/${pack}`, { signal }), `pack ${pack}`)
  }
}

/** PostgreSQL ends a backup with its session; that it has noticed shows in pg_stat_activity. */
async function noBackupMode({ server }: World): Promise<void> {
  for (let tries = 0; ; tries++) {
    const [row] = await server.psql<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where application_name = 'wharf backup'`,
    )
    if (row!.n === 0) return
    assert.ok(tries < 200, 'the session of a killed backup is still there')
    await new Promise((done) => setTimeout(done, 50))
  }
}
