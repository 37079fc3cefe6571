// What recovery refuses, and that it leaves everything as it was: one clear error each, nothing that could be started by mistake.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError, type WharfError } from '../../src/base/errors.ts'
import type { Progress } from '../../src/base/operation.ts'
import type { WalChunkInfo } from '../../src/repository/contract.ts'
import { readMarker } from '../../src/recovery/restore/marker.ts'
import { runRecovery } from '../../src/recovery/run-recovery.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { binariesOf } from '../support/postgres.ts'
import { recover, Recovered, requestFor, type Wishes } from './recovered.ts'

const signal = new AbortController().signal
const wharf = fileURLToPath(new URL('../../src/app/main.ts', import.meta.url))
let world: World
let contents: Record<string, string>

before(async () => {
  world = await openWorld({ major: 18 })
  const { server } = world
  await server.psql(
    'create table t as select n as id, repeat(md5(n::text), 20) as body from generate_series(1, 20000) n; create index on t (id)',
  )
  const key = join(server.dataDirectory, 'server.key')
  await writeFile(key, 'secret', { mode: 0o400 })
  if (server.account) await chown(key, server.account.uid, server.account.gid)
  await world.take('full')
  for (const round of [1, 2, 3, 4]) {
    await server.psql(`update t set body = reverse(body) where id % 5 = ${round}`)
    await server.psql('select pg_switch_wal()')
  }
  await server.psql("select pg_create_restore_point('done')")
  contents = await contentsOf(server)
  await world.archiveAll()
})
after(() => (world as World | undefined)?.[Symbol.asyncDispose]())

async function refused(wishes: Wishes): Promise<WharfError> {
  const outcome = await recover(world, wishes).catch((error: unknown) => error)
  if (isWharfError(outcome)) return outcome
  if (!(outcome instanceof Recovered)) throw outcome
  await outcome[Symbol.asyncDispose]()
  return assert.fail(`recovered to ${outcome.report.proof?.replayed.lsn}`)
}

async function copyOfRepository(name: string): Promise<string> {
  const path = join(world.folder, name)
  // With their times: a manifest that is newer than its lease is no backup.
  await cp(join(world.folder, 'repository'), path, { recursive: true, preserveTimestamps: true })
  return path
}

async function objects(repository: string, folder: string): Promise<string[]> {
  const found: string[] = []
  for (const name of (await readdir(join(repository, folder), { recursive: true })).sort()) {
    if ((await stat(join(repository, folder, name))).isFile()) found.push(join(repository, folder, name))
  }
  return found
}

async function flip(path: string, share: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[Math.floor(bytes.length * share)]! ^= 0x10
  await rm(path)
  await writeFile(path, bytes, { mode: 0o644 })
}

test('a folder that holds anything is refused and left as it was', async () => {
  const full = join(world.folder, 'full')
  await mkdir(full)
  await writeFile(join(full, 'letter.txt'), 'dear')
  const error = await refused({ latest: true, toDirectory: full })
  assert.equal(error.message, `${full} is not empty (letter.txt)`)
  assert.equal(error.hint, 'name a folder that does not exist yet, or empty this one yourself')
  assert.deepEqual(await readdir(full), ['letter.txt'])
})

test('a running server is refused, also with --resume', async () => {
  const error = await refused({ latest: true, toDirectory: world.server.dataDirectory, resume: true })
  assert.equal(error.message, `${world.server.dataDirectory} is in use: a PostgreSQL server runs on it`)
  const pid = join(world.folder, 'pid')
  await mkdir(pid)
  await writeFile(join(pid, 'postmaster.pid'), '')
  assert.equal((await refused({ latest: true, toDirectory: pid })).message, `${pid} is in use: it holds postmaster.pid`)
})

test('targets beyond the end, before the beginning, unknown: nothing is made', async () => {
  const toDirectory = join(world.folder, 'never')
  const cases: readonly (readonly [Wishes, string])[] = [
    [{ lsn: 'FF/0' }, 'recovery.beyond-end'],
    [{ at: '2099-01-01T00:00:00Z' }, 'recovery.beyond-end'],
    [{ at: '1999-01-01T00:00:00Z' }, 'recovery.before-first'],
    [{ lsn: '0/28' }, 'recovery.before-first'],
    [{ name: 'nothing' }, 'recovery.unknown-name'],
    [{ xid: '99999' }, 'recovery.unknown-xid'],
    [{ beforeLoad: 'nothing' }, 'recovery.unknown-load'],
    [{ latest: true, timeline: 7 }, 'recovery.unknown-timeline'],
    [{ latest: true, warehouse: 'other' } as Wishes, 'recovery.no-backup'],
    [{ latest: true, tablespace: { x: '/y' } }, 'recovery.bad-tablespace'],
    [{ latest: true, binaries: '/nonexistent' }, 'recovery.no-binaries'],
    [{ latest: true, binaries: (await binariesOf(17)).bin }, 'recovery.wrong-binaries'],
  ]
  for (const [wishes, code] of cases) {
    assert.equal((await refused({ ...wishes, toDirectory })).code, code)
    assert.ok(!existsSync(toDirectory), code)
  }
})

test('a flipped byte in a pack is named and never restored; what is left cannot be started', async () => {
  const repositoryPath = await copyOfRepository('flipped')
  const packs = await objects(repositoryPath, 'packs')
  const largest = (await Promise.all(packs.map(async (path) => ({ path, bytes: (await stat(path)).size })))).sort(
    (a, b) => b.bytes - a.bytes,
  )[0]!
  await flip(largest.path, 0.5)
  const toDirectory = join(world.folder, 'from-flipped')
  const error = await refused({ latest: true, repositoryPath, toDirectory })
  assert.equal(error.code, 'repository.damaged-extent')
  assert.match(error.message, /^extent \d+ of pack [0-9a-f]{32}, which holds blocks of \S+, is damaged: /)
  assert.ok(!existsSync(join(toDirectory, 'global', 'pg_control')))
  assert.equal((await readMarker(toDirectory))?.state, 'restoring')

  // The same folder again: refused with a hint, then made anew from the good repository.
  const again = await refused({ latest: true, toDirectory })
  assert.match(again.message, /holds a restore of backup \S+ that was begun at \S+ and not finished$/)
  assert.equal(again.hint, 'with --resume what it left is compared with the backup and completed')
  await using recovered = await recover(world, { latest: true, toDirectory, resume: true, verify: 'connect' })
  assert.deepEqual(await contentsOf(recovered.asServer), contents)
  assert.equal((await readMarker(toDirectory))?.state, 'recovered')
})

test('given up while its server replays, it is completed by --resume; a taken port ends it with everything recovered', async () => {
  const toDirectory = join(world.folder, 'given-up')
  const stop = new AbortController()
  const request = await requestFor(world, { latest: true, toDirectory, verify: 'connect' })
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  const report = ({ phase }: Progress): void => {
    if (phase === 'starting') stop.abort(new Error('enough'))
  }
  await assert.rejects(runRecovery(request, context, { report, signal: stop.signal }), /enough/)
  assert.equal((await readMarker(toDirectory))?.state, 'replaying')
  assert.equal((await refused({ latest: true, toDirectory })).code, 'recovery.target-half-done')

  // Somebody has started it by hand: it is no unfinished recovery's any more.
  const opts = join(toDirectory, 'postmaster.opts')
  const ours = await readFile(opts, 'utf8').catch(() => undefined)
  await writeFile(opts, 'postgres "-D" "here"\n')
  assert.equal((await refused({ latest: true, toDirectory, resume: true })).code, 'recovery.resume-nothing')
  await (ours === undefined ? rm(opts) : writeFile(opts, ours))

  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const error = await refused({ latest: true, toDirectory, resume: true, verify: 'connect', port })
  taken.close()
  assert.equal(error.code, 'recovery.not-opened')
  assert.equal(
    error.message,
    `${toDirectory} is recovered and proven, but its server did not open: port ${port} is taken by another program`,
  )
  assert.equal(
    error.hint,
    `nothing has to be recovered again: once the cause is gone, ${request.binaries!}/pg_ctl -D ${toDirectory} start`,
  )
  assert.equal((await readMarker(toDirectory))?.state, 'recovered')
})

test('a file that its owner may not write to is restored by whoever is not root, too', async () => {
  const repositoryPath = await copyOfRepository('open-to-all')
  const { toDirectory, passphraseFile } = await requestFor(world, {
    toDirectory: join(world.folder, 'open', 'restored'),
  })
  await mkdir(join(world.folder, 'open'))
  execFileSync('chmod', ['-R', 'a+rwX', repositoryPath, passphraseFile!, join(world.folder, 'open')])
  await chmod(world.folder, 0o755)
  const flags = ['--repository-path', repositoryPath, '--passphrase-file', passphraseFile!]
  const home = ['--home', join(world.folder, 'open', 'home')]
  execFileSync(
    process.execPath,
    [wharf, 'recover', 'run', 'retail', '--latest', '--to-directory', toDirectory, ...flags, ...home],
    { ...world.server.account, cwd: '/', stdio: 'pipe' },
  )
  const about = await stat(join(toDirectory, 'server.key'))
  assert.equal((about.mode & 0o777).toString(8), '400')
  assert.equal(await readFile(join(toDirectory, 'server.key'), 'utf8'), 'secret')
})

test('a folder in which only the marker was begun counts as empty', async () => {
  const toDirectory = join(world.folder, 'marker-begun')
  await mkdir(toDirectory)
  await writeFile(join(toDirectory, '.wharf-recovery.json.0a1b2c.tmp'), '{')
  await recover(world, { latest: true, toDirectory, start: false })
  assert.ok(!(await readdir(toDirectory)).some((name) => name.endsWith('.tmp')))
})

test('--resume where nothing was begun is refused', async () => {
  const toDirectory = join(world.folder, 'nothing-begun')
  assert.equal(
    (await refused({ latest: true, toDirectory, resume: true })).message,
    `--resume: ${toDirectory} holds no unfinished restore of wharf`,
  )
})

test('a flipped byte in maps, manifest or WAL is named too', async () => {
  for (const [folder, pattern] of [
    ['maps', /damaged/],
    ['manifests', /damaged|no complete backup/],
    ['wal', /damaged/],
  ] as const) {
    const repositoryPath = await copyOfRepository(`flipped-${folder}`)
    await flip((await objects(repositoryPath, folder)).at(-1)!, 0.6)
    const error = await refused({ latest: true, repositoryPath })
    assert.match(error.message, pattern, folder)
    await rm(repositoryPath, { recursive: true })
  }
})

async function chunks(): Promise<readonly WalChunkInfo[]> {
  const [backup] = await world.repository.listBackups(signal)
  return await world.repository.wal.list(backup!.systemIdentifier, signal)
}

test('a hole in WAL: what is before it can be reached, what is behind it is refused by name', async () => {
  const repositoryPath = await copyOfRepository('holed')
  const all = await chunks()
  const missing = all.at(-3)!
  await rm(join(repositoryPath, missing.object))
  const error = await refused({ name: 'done', repositoryPath })
  assert.equal(error.code, 'recovery.in-hole')
  await using recovered = await recover(world, { latest: true, repositoryPath, verify: 'connect' })
  assert.ok(recovered.report.plan.lost.hole)
  const [row] = await recovered.psql<{ count: number }>('select count(*)::int as count from t')
  assert.deepEqual(row, { count: 20_000 })
})

test('a segment that is only begun, cut within a record: recovered to its last whole record', async () => {
  const repositoryPath = await copyOfRepository('begun')
  const { openRepository } = await import('../../src/repository/open.ts')
  const { openStore } = await import('../../src/repository/stores.ts')
  const unlock = { by: 'passphrase', passphrase: 'correct horse' } as const
  const repository = await openRepository({
    name: 'r',
    store: await openStore({ kind: 'file', path: repositoryPath }),
    unlock,
    clock: systemClock,
    holder: 'test',
    signal,
  })
  const last = (await chunks()).filter((one) => one.endLsn - one.startLsn > 0n).at(-3)!
  const whole = await repository.wal.read(last, signal)
  // Everything from this segment on goes; its first bytes come back, cut where no record ends.
  for (const one of (await chunks()).filter((info) => info.startLsn >= last.startLsn))
    await rm(join(repositoryPath, one.object))
  const cut = 8192 * 20 + 3001
  const { WalIndexer } = await import('../../src/wal/indexer.ts')
  const { RecordStream } = await import('../../src/wal/record-stream.ts')
  const indexer = new WalIndexer(18, last.startLsn)
  new RecordStream({ startLsn: last.startLsn, majorVersion: 18, segmentBytes: whole.walSegmentBytes }, indexer).push(
    whole.bytes.subarray(0, cut),
  )
  const { changeMap, commits } = indexer.cut(last.startLsn + BigInt(cut))
  await repository.wal.put({ ...whole, bytes: Buffer.from(whole.bytes.subarray(0, cut)), changeMap, commits }, signal)
  await using recovered = await recover(world, { latest: true, repositoryPath })
  const { replayed } = recovered.report.proof!
  assert.ok(BigInt(`0x${replayed.lsn.split('/')[1]}`) <= last.startLsn + BigInt(cut))
  assert.ok(BigInt(`0x${replayed.lsn.split('/')[1]}`) > last.startLsn)
})

test('cancelled in the middle: no server is left, nothing can be started, --resume makes it whole', async () => {
  const toDirectory = join(world.folder, 'cancelled')
  const cancel = new AbortController()
  const cancelling = recover(world, { latest: true, toDirectory }, cancel.signal)
  while (!existsSync(join(toDirectory, 'base'))) await systemClock.sleep(2)
  cancel.abort(new Error('enough'))
  await assert.rejects(cancelling, /enough/)
  assert.ok(!existsSync(join(toDirectory, 'global', 'pg_control')))
  await using recovered = await recover(world, { latest: true, toDirectory, resume: true })
  assert.deepEqual(await contentsOf(recovered.asServer), contents)
})

test(
  'killed at any moment: the folder is refused, or resumed, or whole; never half a cluster that starts',
  { timeout: 300_000 },
  async () => {
    const request = await requestFor(world, {})
    const flags = (directory: string): string[] =>
      ['recover', 'run', 'retail', '--latest', '--to-directory', directory].concat(
        ['--repository-path', request.repositoryPath!, '--passphrase-file', request.passphraseFile!],
        ['--home', join(world.folder, 'cli-home')],
      )
    let begun = 0
    for (const delayMs of [0, 50, 100, 300, 600, 1100]) {
      const toDirectory = join(world.folder, `killed-${delayMs}`)
      const child = spawn(process.execPath, [wharf, ...flags(toDirectory)], { stdio: 'ignore' })
      const exited = once(child, 'exit')
      // From the first sign of work on, so that the moments fall within it.
      while (!existsSync(toDirectory) && child.exitCode === null) await systemClock.sleep(1)
      await systemClock.sleep(delayMs / 10)
      child.kill('SIGKILL')
      await exited
      const marker = await readMarker(toDirectory)
      if (existsSync(join(toDirectory, 'global', 'pg_control'))) continue
      begun++
      const left = existsSync(toDirectory) ? await readdir(toDirectory) : []
      if (marker === undefined)
        assert.deepEqual(
          left.filter((name) => !name.endsWith('.tmp')),
          [],
          'without a marker there is nothing',
        )
      else assert.equal((await refused({ latest: true, toDirectory })).code, 'recovery.target-half-done')
      await using recovered = await recover(world, {
        latest: true,
        toDirectory,
        resume: marker !== undefined,
        verify: 'connect',
      })
      assert.deepEqual(await contentsOf(recovered.asServer), contents)
    }
    assert.ok(begun > 0)
  },
)

test('as root the folder belongs to the user of the server, with mode 0700', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root gives files away')
  const recovered = await recover(world, { latest: true, start: false })
  const root = await stat(recovered.directory)
  assert.deepEqual([root.uid, root.mode & 0o777], [world.server.account!.uid, 0o700])
  for (const name of await readdir(recovered.directory, { recursive: true })) {
    const about = await stat(join(recovered.directory, name))
    if (name !== 'wharf-recovery.json') assert.equal(about.uid, world.server.account!.uid, name)
    assert.equal(about.mode & 0o077, 0, name)
  }
  assert.match(recovered.report.next[0]!, /^nothing is proven yet: start the server with {2}sudo -u uid 65534|nobody /)
  assert.match(
    recovered.report.next.at(-1)!,
    /^once it is open, what only replay needs has gone by itself: keys of the repository's data and the recovery settings in postgresql\.auto\.conf\. If \S+\/wharf-recovery-end\.sh is still there then \(its log may say why: "recovery_end_command"\), it has not: {2}sudo -u \S+ sh -c 'rm -rf /,
  )
})
