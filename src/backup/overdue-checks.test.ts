import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { testContext } from '../../test/support/context.ts'
import { controlConfig, listedEvents } from '../../test/support/listed-events.ts'
import { emptyManifest } from '../../test/support/sample-manifest.ts'
import { reopen, scratchFolder } from '../../test/support/scratch-repository.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { checkDeclared } from '../repository/checking.ts'
import { initRepository } from '../repository/open.ts'
import { room as repositoryRoom } from '../repository/room.ts'
import { openStore } from '../repository/stores.ts'
import { alertOverdue, overdueCheck, type CheckFacts } from './overdue-checks.ts'

const signal = new AbortController().signal
const DAY = 86_400_000
/** A Wednesday. */
const nowMs = Date.UTC(2026, 10, 25, 12)
const daily = { repository: 'main', cron: '0 3 * * *', timezone: 'UTC', share: '1/30' }
const facts = (more: Partial<CheckFacts>): CheckFacts => ({
  schedule: daily,
  lastGoodMs: undefined,
  oldestBackupMs: nowMs - 100 * DAY,
  nowMs,
  ...more,
})

test('overdue is a check that is older than twice its interval, or that never was while backups are older than that', () => {
  assert.equal(overdueCheck(facts({ lastGoodMs: nowMs - 2 * DAY })), undefined)
  assert.deepEqual(overdueCheck(facts({ lastGoodMs: nowMs - 2 * DAY - 1 })), {
    repository: 'main',
    lastGoodMs: nowMs - 2 * DAY - 1,
    ageMs: 2 * DAY + 1,
    limitMs: 2 * DAY,
  })
  assert.equal(overdueCheck(facts({}))?.ageMs, 100 * DAY)
  assert.equal(overdueCheck(facts({ oldestBackupMs: nowMs - 2 * DAY })), undefined)
  assert.equal(overdueCheck(facts({ oldestBackupMs: undefined })), undefined, 'there is nothing to check')
})

test('the longest pause of a schedule is its interval: a week-end is none that is late', () => {
  const schedule = { ...daily, cron: '0 3 * * 1-5' }
  assert.equal(overdueCheck(facts({ schedule, lastGoodMs: nowMs - 6 * DAY })), undefined)
  assert.equal(overdueCheck(facts({ schedule, lastGoodMs: nowMs - 7 * DAY }))?.limitMs, 6 * DAY)
})

test('it is alerted once a day as long as it lasts, and a good check ends it; one that finds damage does not', async (t) => {
  await using scope = new AsyncDisposableStack()
  const home = await scratchFolder(t)
  const path = join(home, 'main')
  await mkdir(path)
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: { by: 'none' }, signal })
  const { room: control, events } = listedEvents()
  const config = {
    repositories: { main: { path, encryption: 'none', check: { cron: '0 3 * * *', timezone: 'UTC', share: '1' } } },
    control: controlConfig,
  }
  let aheadMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + aheadMs }
  const context = testContext({ home, rooms: [repositoryRoom, control], config, clock }, scope)
  const said = new Map<string, number>()
  const look = async (): Promise<number> => {
    events.length = 0
    await alertOverdue(context, said, signal)
    return events.length
  }
  const repository = await reopen(path, { unlock: { by: 'none' } })
  aheadMs = 3 * DAY
  assert.equal(await look(), 0, 'no backup')
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  await backup.commit({ ...emptyManifest(backup.id, 'dw'), startedMs: Date.now() }, signal)
  aheadMs = DAY
  assert.equal(await look(), 0)
  aheadMs = 3 * DAY
  assert.equal(await look(), 1)
  const { kind, subject, data } = events[0]!
  assert.deepEqual(
    [kind, subject, data['reason'], data['limitMs']],
    ['backup.alert', 'main', 'repository-check-overdue', 2 * DAY],
  )
  assert.equal(await look(), 0, 'said today')
  aheadMs = 4 * DAY
  assert.equal(await look(), 1)

  const check = () => checkDeclared({ name: 'main', depth: 'all' }, context, { report: () => {}, signal })
  const manifest = join(path, 'manifests', 'dw', backup.id)
  const bytes = await readFile(manifest)
  const damaged = Buffer.from(bytes)
  damaged[200]! ^= 1
  await writeFile(manifest, damaged)
  assert.equal((await check()).findings.length, 1)
  assert.equal(await repository.lastGoodCheck(signal), undefined)
  await writeFile(manifest, bytes)
  aheadMs = 5 * DAY
  assert.equal(await look(), 1)
  assert.deepEqual((await check()).findings, [])
  aheadMs = DAY
  assert.equal(await look(), 0)
  aheadMs = 3 * DAY
  assert.equal(await look(), 1, 'the good check is old as well')
  assert.ok(Number(events[0]!.data['lastGoodMs']) > 0)
})
