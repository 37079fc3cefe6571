// WAL that is fetched ahead: restore_command, called as a recovering server calls it, and recovering servers themselves.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFile, chown, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { restoreScriptName } from '../../src/recovery/restore/restore-script.ts'
import { withoutRecovery } from '../../src/recovery/restore/settings.ts'
import { spoolName } from '../../src/recovery/get/ahead/spool.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import { startServer, type Major } from '../support/postgres.ts'
import { recover, type Recovered } from './recovered.ts'
import { ofTheDay } from '../support/turns.ts'

const SEGMENTS = 8
let world: World
let restored: Recovered
let contents: Record<string, string>
let segments: string[]
let command: string

async function makeWorld(major: Major): Promise<{ world: World; contents: Record<string, string> }> {
  const made = await openWorld({ major })
  await made.server.psql('create table t (id int, body text)')
  await made.take('full')
  for (let at = 0; at < SEGMENTS; at++) {
    await made.server.psql(
      `insert into t select n, md5(n::text) from generate_series(${at} * 500, ${at} * 500 + 499) n`,
    )
    await made.server.psql('select pg_switch_wal()')
  }
  await made.server.psql('insert into t values (-1, null)')
  const found = await contentsOf(made.server)
  await made.archiveAll()
  await giveToServer(made)
  return { world: made, contents: found }
}

/** As where one user runs both. */
async function giveToServer(made: World): Promise<void> {
  const { account } = made.server
  const path = join(made.folder, 'repository')
  if (!account) return
  for (const name of ['', ...(await readdir(path, { recursive: true }))])
    await chown(join(path, name), account.uid, account.gid)
}

before(async () => {
  ;({ world, contents } = await makeWorld(18))
  restored = await recover(world, { latest: true, start: false })
  assert.equal(restored.report.plan.wal.delivery, 'repository')
  const text = await readFile(join(restored.directory, 'postgresql.auto.conf'), 'utf8')
  command = /restore_command = '(.*)'$/m.exec(text)![1]!.replaceAll("''", "'")
  segments = (await readdir(world.archive)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
})
after(() => (world as World | undefined)?.[Symbol.asyncDispose]())

interface Called {
  readonly code: number | null
  readonly said: string
}

/** As the startup process calls it. */
function call(name: string): Called {
  const line = command.replaceAll('%f', name).replaceAll('%p', 'pg_wal/RECOVERYXLOG').replaceAll('%%', '%')
  const done = spawnSync('/bin/sh', ['-c', line], { cwd: restored.directory, encoding: 'utf8' })
  return { code: done.status, said: done.stderr }
}

async function assertHanded(name: string): Promise<void> {
  const called = call(name)
  assert.deepEqual(called, { code: 0, said: '' }, name)
  const path = join(restored.directory, 'pg_wal', 'RECOVERYXLOG')
  assert.ok((await readFile(path)).equals(await readFile(join(world.archive, name))), name)
  await rm(path)
}

async function spooled(): Promise<string[]> {
  const names = await readdir(join(restored.directory, spoolName)).catch(() => [])
  return names.filter((name) => /\.\d+$/.test(name)).sort()
}

/** Its path, once it lies in the spool. */
async function untilSpooled(name: string): Promise<string> {
  return await until(`${name} is spooled`, async () => {
    const found = (await spooled()).find((one) => one.startsWith(`${name}.`))
    return found && join(restored.directory, spoolName, found)
  })
}

async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const started = performance.now()
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    assert.ok(performance.now() - started < 120_000, `not within two minutes: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function isGone(path: string): Promise<boolean> {
  return !(await stat(path).catch(() => undefined))
}

/** The repository cannot be reached meanwhile: what is handed over comes from the spool. */
async function withoutRepository(work: () => Promise<void>): Promise<void> {
  const path = join(world.folder, 'repository')
  await rename(path, `${path}-away`)
  try {
    await work()
  } finally {
    await rename(`${path}-away`, path)
  }
}

test('what comes next is handed over from the spool, byte for byte; what is not there is a failure while the repository is away', async () => {
  const [first, second, third, fourth] = segments
  await assertHanded(first!)
  for (const name of [second!, third!, fourth!]) await untilSpooled(name)
  await withoutRepository(async () => {
    for (const name of [second!, third!, fourth!]) await assertHanded(name)
    for (const name of [first!, '0000000100000000000000FE', '00000002.history']) {
      const called = call(name)
      assert.equal(called.code, 200, name)
      assert.match(called.said, /^wharf wal get: /)
    }
  })
})

test('a spooled file that rotted or was cut is noticed and fetched anew', async () => {
  await assertHanded(segments[0]!)
  const [rotten, cut] = [await untilSpooled(segments[1]!), await untilSpooled(segments[2]!)]
  const bytes = await readFile(rotten)
  bytes[9_000_001]! ^= 8
  await writeFile(rotten, bytes)
  await truncate(cut, 8192)
  await assertHanded(segments[1]!)
  await assertHanded(segments[2]!)
  await withoutRepository(async () => {
    await untilSpooled(segments[3]!).then((path) => truncate(path, 0))
    assert.equal(call(segments[3]!).code, 200)
  })
})

test('the end of WAL is said by the repository alone; nothing that is partial or a history is spooled', async () => {
  for (const name of segments) await assertHanded(name)
  const after = segments.at(-1)!.slice(0, -2) + 'F0'
  assert.equal(call(after).code, 1)
  assert.equal(call('00000002.history').code, 1)
  assert.equal(call(`${segments[0]}.partial`).code, 1)
  await until('nobody fetches', () => isGone(join(restored.directory, spoolName)))
})

test('one process fetches for one directory, goes back with the server, and leaves nothing when the recovery is over', async () => {
  await assertHanded(segments[0]!)
  await untilSpooled(segments[3]!)
  const lock = await readFile(join(restored.directory, spoolName, 'lock'), 'utf8')
  await assertHanded(segments[0]!)
  await untilSpooled(segments[1]!)
  assert.equal(await readFile(join(restored.directory, spoolName, 'lock'), 'utf8'), lock)
  assert.ok(!(await spooled()).some((name) => name.startsWith(segments[0]!)))
  const signal = join(restored.directory, 'recovery.signal')
  await rename(signal, `${signal}-away`)
  await until('the spool is gone', () => isGone(join(restored.directory, spoolName)))
  const pid = Number.parseInt(lock, 10)
  await until('the process is gone', () => isGone(`/proc/${pid}`))
  await rename(`${signal}-away`, signal)
})

test('a shell that cannot run the script says 200', async () => {
  const script = join(restored.directory, restoreScriptName)
  await rename(script, `${script}-away`)
  assert.equal(call(segments[0]!).code, 200)
  await rename(`${script}-away`, script)
})

test('a server that is started by hand recovers too, and what only replay needs goes by itself', async () => {
  const auto = join(restored.directory, 'postgresql.auto.conf')
  const text = await readFile(auto, 'utf8')
  assert.match(text, /recovery_end_command = '.+'/)
  await appendFile(auto, "work_mem = '5MB'\n")
  await using server = await startServer({ major: 18, dataDirectory: restored.directory })
  await until('it is open', async () => {
    const [row] = await server.psql<{ waits: boolean }>('select pg_is_in_recovery() as waits')
    return !row!.waits
  })
  assert.deepEqual(await contentsOf(server), contents)
  const left = (await readdir(restored.directory)).filter((name) => /^\.?wharf-|\.wharf$/.test(name))
  assert.deepEqual(left, ['wharf-recovery.json'])
  assert.equal(await readFile(auto, 'utf8'), `${withoutRecovery(text)}work_mem = '5MB'\n`)
  assert.doesNotMatch(await readFile(server.logFile, 'utf8'), /recovery_end_command/)
  await server.stop('fast')
})

for (const major of [ofTheDay([15, 18] as const)]) {
  test(`a server of ${major} recovers by it to what was there`, async () => {
    await using scope = new AsyncDisposableStack()
    const made = major === 18 ? { world, contents } : await makeWorld(major)
    if (major !== 18) scope.use(made.world)
    await using recovered = await recover(made.world, { latest: true })
    assert.equal(recovered.report.plan.wal.delivery, 'repository')
    assert.deepEqual(await contentsOf(recovered.asServer), made.contents)
    const left = (await readdir(recovered.directory)).filter((name) => name.startsWith('wharf-wal'))
    assert.deepEqual(left, [])
  })
}
