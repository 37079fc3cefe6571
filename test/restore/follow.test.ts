// `recover run --follow`: a standby that lives on what comes into the repository; interrupted it goes on; cut over it stands at the repository's end, proven.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { Client } from 'pg'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import { cutOver } from '../../src/recovery/operations/cut-over.ts'
import { runFollow, type FollowRequest } from '../../src/recovery/follow/run-follow.ts'
import { readMarker } from '../../src/recovery/restore/marker.ts'
import type { RecoveryReport } from '../../src/recovery/run-recovery.ts'
import { serverRuns } from '../../src/warehouse/servers.ts'
import { contentsOf } from '../backup/truth.ts'
import { makeFolder, openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { Recovered, requestFor } from './recovered.ts'

const never = new AbortController().signal

interface Following {
  readonly notes: string[]
  readonly ended: Promise<RecoveryReport>
  readonly cancel: AbortController
}

function follow(world: World, request: FollowRequest): Following {
  const notes: string[] = []
  const cancel = new AbortController()
  const run = async (): Promise<RecoveryReport> => {
    await using scope = new AsyncDisposableStack()
    const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
    return await runFollow(request, context, {
      report: (event) => notes.push(`${event.phase} ${event.note ?? ''}`),
      signal: cancel.signal,
    })
  }
  const ended = run()
  ended.catch(() => {})
  return { notes, ended, cancel }
}

async function until(what: () => boolean | Promise<boolean>, following: Following): Promise<void> {
  let failure: unknown
  following.ended.catch((error: unknown) => (failure = error))
  while (!(await what())) {
    if (failure !== undefined) throw failure
    await systemClock.sleep(100)
  }
}

test('PostgreSQL 18: follows the repository, over an interruption and a new tablespace, and is cut over at its end', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql('create table t as select n as id, md5(n::text) as body from generate_series(1, 2000) n')
  await world.take('full')
  const toDirectory = join(world.folder, 'standby')
  const request: FollowRequest = {
    ...(await requestFor(world, { toDirectory, verify: 'connect', start: false })),
    readable: true,
  }
  const first = follow(world, request)
  await until(() => first.notes.some((note) => note.startsWith('following ')), first)
  assert.equal((await readMarker(toDirectory))?.state, 'following')
  assert.match(first.notes.at(-1)!, /^following replayed to \S+, .* behind the repository's end at \S+, /)

  // What comes later is read there, read only.
  await server.psql('insert into t select n, md5(n::text) from generate_series(3001, 3500) n')
  await world.archiveAll()
  const port = Number(
    (await import('node:fs')).readFileSync(join(toDirectory, 'postmaster.pid'), 'utf8').split('\n')[3],
  )
  await until(async () => (await countOn(port)) === 2500, first)
  await assert.rejects(onStandby(port, 'create table x ()'), /read-only transaction/)
  first.cancel.abort(new Error('enough'))
  await assert.rejects(first.ended, /enough/)
  assert.equal(await serverRuns(toDirectory), false)

  const fresh = await makeFolder(world, 'fresh-space')
  await server.psql(`create tablespace fresh location '${fresh}'`)
  await server.psql('create table b tablespace fresh as select n as id from generate_series(1, 300) n')
  await world.archiveAll()
  const second = follow(world, { ...request, readable: false })
  await until(() => second.notes.some((note) => note.startsWith('following ')), second)
  await server.psql('delete from t where id % 7 = 0')
  const contents = await contentsOf(server)
  await world.archiveAll()
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  const asked = { ...context, progress: () => {}, confirm: () => Promise.resolve(true), actor: 'test' }
  const opened = await cutOver.run({ directory: toDirectory }, asked, never)
  const report = await second.ended
  await using recovered = new Recovered({ directory: toDirectory, report, progress: [] })
  assert.deepEqual(await contentsOf(recovered.asServer), contents)
  assert.equal(opened.port, report.proof!.server.port)
  assert.equal(opened.lsn, report.proof!.replayed.lsn)
  assert.equal((await readMarker(toDirectory))?.state, 'recovered')
  for (const name of ['standby.signal', 'recovery.signal', 'wharf-wal', 'wharf-cut-over', 'wharf-wal-get.json'])
    assert.ok(!existsSync(join(toDirectory, name)), name)
  const again = await cutOver.run({ directory: toDirectory }, asked, never).catch((error: unknown) => error)
  assert.ok(isWharfError(again, 'recovery.not-following'))
  assert.equal(again.message, `${toDirectory} follows no warehouse`)
})

test('targets, --in-place and --original do not go with --follow', async () => {
  await using world = await openWorld({ major: 15 })
  const base = await requestFor(world, {})
  const refused = async (wishes: Partial<FollowRequest>): Promise<string> => {
    const outcome = await follow(world, { ...base, readable: false, ...wishes }).ended.catch((error: unknown) => error)
    return (outcome as Error).message
  }
  assert.equal(
    await refused({ at: '2026-01-01T00:00:00Z' }),
    '--follow replays whatever comes: no target but --latest goes with it',
  )
  const elsewhere = '--follow makes a copy in a folder of its own: --in-place and --original do not go with it'
  assert.equal(await refused({ original: true }), elsewhere)
  assert.equal(await refused({ inPlace: true }), elsewhere)
})

async function onStandby<Row extends object>(port: number, sql: string): Promise<Row[]> {
  const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

async function countOn(port: number): Promise<number> {
  return (await onStandby<{ count: number }>(port, 'select count(*)::int as count from t'))[0]!.count
}
