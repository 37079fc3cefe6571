// `--in-place`: a server that crashed and was damaged comes back as it was at its last commit, although that was in no archive; what was right already is
// not written, and what is the user's stays.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, readlink, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { isWarehouseNow } from '../../../src/recovery/in-place/adopted.ts'
import { lackingOf, ownSegments } from '../../../src/recovery/in-place/own-wal.ts'
import { segmentName, segmentStart } from '../../../src/wal/segments.ts'
import { parseHistory } from '../../../src/wal/timelines.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { readMarker } from '../../../src/recovery/restore/marker.ts'
import { contentsOf } from '../../backup/truth.ts'
import { ofTheDay } from '../../support/turns.ts'
import { recover } from '../recovered.ts'
import { addStrangers, damage, openLost, type Lost } from './world.ts'

// One of them each day; `npm run accept -- recover-kill` has both.
for (const major of [ofTheDay([15, 18] as const)]) {
  test(`PostgreSQL ${major}: damaged everywhere, its last WAL in no archive, and whole again`, async () => {
    await using lost = await openLost(major)
    const { world, directory, tablespace, contents } = lost
    await damage(directory, seededRandom(major))
    const mine = await addStrangers(directory)
    const links = await readdir(join(directory, 'pg_tblspc'))

    await using recovered = await recover(world, { latest: true, inPlace: true, toDirectory: directory, set: {} })
    assert.deepEqual(await contentsOf(recovered.asServer), contents)
    const { plan, restored } = recovered.report
    assert.equal(plan.mode, 'original')
    assert.ok(plan.inPlace!.ownWal.files >= 2 && plan.inPlace!.ownWal.stored, 'its own WAL was stored')
    assert.deepEqual(plan.inPlace!.lostWal, [])
    assert.ok(restored.writtenBytes * 3 < restored.bytes, `wrote ${restored.writtenBytes} of ${restored.bytes}`)
    assert.ok(restored.removed >= 4)

    for (const name of mine) assert.ok(existsSync(join(directory, name)), name)
    assert.match(await readFile(join(directory, 'pg_hba.conf'), 'utf8'), /# mine/)
    for (const name of ['base/99999', 'base/4711', 'backup_label']) assert.ok(!existsSync(join(directory, name)), name)
    assert.deepEqual(await readdir(join(directory, 'pg_tblspc')), links)
    assert.equal(await readlink(join(directory, 'pg_tblspc', links[0]!)), tablespace)
    const [row] = await recovered.psql<{ work: string; restore: string; notes: number }>(
      "select current_setting('work_mem') as work, current_setting('restore_command') as restore, (select count(*)::int from notes) as notes",
    )
    assert.deepEqual(row, { work: '17MB', restore: '', notes: 0 })
    assert.deepEqual(
      [(await readMarker(directory))?.state, (await readMarker(directory))?.way],
      ['recovered', 'in-place'],
    )
  })
}

test('a copy that is refreshed in place stays a silent copy, and its own WAL is not stored', async () => {
  await using lost = await openLost(18)
  const { world } = lost
  const before = await recover(world, { latest: true, set: { fsync: 'off' } })
  await before.psql('create table of_the_copy as select 1 as id')
  const { directory } = before
  await before[Symbol.asyncDispose]()
  const ranges = await world.repository.wal.ranges((await systemOf(world))!, new AbortController().signal)
  const file = join(directory, 'base', '1', 'PG_VERSION')
  const inode = (await stat(file)).ino

  await using again = await recover(world, { latest: true, inPlace: true, toDirectory: directory })
  assert.equal(again.report.plan.mode, 'copy')
  assert.deepEqual(again.report.plan.inPlace!.ownWal, { files: 0, bytes: 0, stored: true })
  assert.deepEqual(await world.repository.wal.ranges((await systemOf(world))!, new AbortController().signal), ranges)
  assert.equal((await stat(file)).ino, inode)
  const rows = await again.psql<{ there: boolean; archive: string }>(
    "select to_regclass('of_the_copy') is not null as there, current_setting('archive_mode') as archive",
  )
  assert.deepEqual(rows, [{ there: false, archive: 'off' }])
})

test('a copy that has become the warehouse is recovered as the warehouse is: its own WAL first', async () => {
  await using lost = await openLost(18)
  const { world } = lost
  const signal = new AbortController().signal
  const copy = await recover(world, { latest: true, set: { fsync: 'off' } })
  const { directory } = copy
  const file = async (name: string): Promise<Buffer> => await readFile(join(directory, 'pg_wal', name))
  const [about] = await world.repository.listBackups(signal)
  const { systemIdentifier, walSegmentBytes, postgresVersion } = about!
  const history = await file('00000002.history')
  const { switchLsn } = parseHistory(2, history.toString())[0]!
  await copy.psql('create table of_the_copy as select 1 as id')
  await world.repository.wal.putHistory(systemIdentifier, 2, history.toString(), signal)
  // The warehouse itself may have opened a timeline of the same number at the same place: its records are others.
  const startLsn = segmentStart(switchLsn, walSegmentBytes)
  const bytes = (await file(segmentName(2, startLsn, walSegmentBytes))).subarray(0, Number(switchLsn - startLsn) + 64)
  const isNow = async (of: Buffer): Promise<boolean> => {
    const shape = { systemIdentifier, majorVersion: 18, postgresVersion, segmentBytes: walSegmentBytes }
    const wal = { segment: () => Promise.resolve({ bytes: of, partial: true, endLsn: startLsn + BigInt(of.length) }) }
    const control = { timeline: 2 }
    return await isWarehouseNow({ root: directory, isOpened: true, control } as never, { wal, shape, signal })
  }
  const others = Buffer.from(bytes)
  others[others.length - 1]! ^= 1
  assert.deepEqual([await isNow(bytes), await isNow(others), await isNow(bytes.subarray(0, -64))], [true, false, false])
  // Users were moved there, and its WAL is received: some of it by then.
  await world.repository.wal.put(
    {
      systemIdentifier,
      timeline: 2,
      startLsn,
      walSegmentBytes,
      postgresVersion,
      bytes,
      changeMap: undefined,
      commits: [],
      problem: undefined,
    },
    signal,
  )
  await copy[Symbol.asyncDispose]()

  await using again = await recover(world, { latest: true, inPlace: true, toDirectory: directory, set: {} })
  assert.equal(again.report.plan.mode, 'original')
  assert.ok(again.report.plan.inPlace!.ownWal.files > 0)
  assert.deepEqual(await again.psql('select id from of_the_copy'), [{ id: 1 }])
})

test('a segment of its WAL that contradicts the repository is put aside, named, and asked about', async () => {
  await using lost = await openLost(15)
  const { world, directory } = lost
  const wal = join(directory, 'pg_wal')
  const [first] = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
  const last = (await readdir(wal))
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort()
    .at(-1)!
  // The repository gets other bytes for a range that only the server has.
  const bytes = await readFile(join(wal, first!))
  assert.ok(bytes.length > 0 && last >= first!)
  const summary = (await world.repository.listBackups(new AbortController().signal))[0]!
  const { parseWalFileName } = await import('../../../src/wal/segments.ts')
  const segments = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
  const held = await world.repository.wal.ranges(summary.systemIdentifier, new AbortController().signal)
  const lacking = segments.find((name) => {
    const at = parseWalFileName(name, summary.walSegmentBytes) as { startLsn: bigint }
    return held.every((range) => range.endLsn <= at.startLsn)
  })!
  const { startLsn } = parseWalFileName(lacking, summary.walSegmentBytes) as { startLsn: bigint }
  const wrong = await readFile(join(wal, lacking))
  wrong[4000]! ^= 1
  await world.repository.wal.put(
    {
      systemIdentifier: summary.systemIdentifier,
      timeline: 1,
      startLsn,
      walSegmentBytes: summary.walSegmentBytes,
      postgresVersion: summary.postgresVersion,
      bytes: wrong.subarray(0, 8192),
      changeMap: undefined,
      commits: [],
      problem: 'made by a test',
    },
    new AbortController().signal,
  )
  await writeFile(join(directory, 'pg_wal', 'RECOVERYHISTORY'), '')
  const asked: string[] = []
  await assert.rejects(
    recover(world, { latest: true, inPlace: true, toDirectory: directory, set: {} }, undefined, (_plan, question) => {
      asked.push(question)
      return Promise.reject(new Error('no'))
    }),
    /^Error: no$/,
  )
  assert.match(
    asked[0]!,
    /^write backup \S+ over \S+ and recover it to latest, although \d+ files? of its WAL could not be stored\?$/,
  )
  assert.ok(existsSync(join(directory, 'global', 'pg_control')), 'nothing was touched')
  await serverThatRanMeanwhile(lost)
  await checkpointWithoutWal(lost)
})

test('WAL that cannot be read is named and put aside, and so is what hangs on it', async () => {
  await using lost = await openLost(18)
  const { world, directory } = lost
  const signal = new AbortController().signal
  const wal = join(directory, 'pg_wal')
  const { systemIdentifier, walSegmentBytes, postgresVersion } = (await world.repository.listBackups(signal))[0]!
  const ranges = await world.repository.wal.ranges(systemIdentifier, signal)
  const shape = { systemIdentifier, majorVersion: 18, postgresVersion, segmentBytes: walSegmentBytes }
  const lacking = lackingOf((await ownSegments(wal, shape)).segments, ranges, walSegmentBytes)
  const [cut, behind] = lacking
  assert.ok(cut && behind)
  const bytes = await readFile(cut.path)
  bytes[30_000]! ^= 1
  await writeFile(cut.path, bytes)
  // One that nobody can tell anything of: where it would have gone on.
  const strange = segmentName(1, lacking.at(-1)!.startLsn + BigInt(walSegmentBytes), walSegmentBytes)
  await writeFile(join(wal, strange), Buffer.alloc(walSegmentBytes, 7))
  await using recovered = await recover(world, { latest: true, inPlace: true, toDirectory: directory, set: {} })
  const names = recovered.report.plan.inPlace!.lostWal.map((one) => one.split(' ')[0])
  assert.deepEqual(new Set(names), new Set([strange, ...lacking.map((one) => one.name), 'pg_wal']))
  const kept = await readdir(join(wal, 'wharf-unsaved'))
  assert.deepEqual(new Set(kept), new Set([strange, ...lacking.map((one) => one.name)]))
  assert.deepEqual(await readFile(join(wal, 'wharf-unsaved', cut.name)), bytes)
})

/** Somebody starts and stops the server while the question waits: what it committed is in no plan. */
async function serverThatRanMeanwhile({ world, directory }: Lost): Promise<void> {
  const ran = recover(world, { latest: true, inPlace: true, toDirectory: directory, set: {} }, undefined, async () => {
    await world.server.start()
    await world.server.psql('insert into t values (-2, $$meanwhile$$)')
    await world.server.stop('fast')
  })
  await assert.rejects(ran, {
    code: 'recovery.target-changed',
    message: `the server of ${directory} has run since this recovery was planned: what it wrote meanwhile would be lost`,
    hint: 'nothing was changed; stop it, and run the same command again: its WAL is stored first',
  })
  assert.equal(await readMarker(directory), undefined)
  await world.server.start()
  assert.deepEqual(await world.server.psql('select body from t where id = -2'), [{ body: 'meanwhile' }])
  await world.server.stop('fast')
}

/** Its pg_wal was emptied: what it had written by its last checkpoint is lost, and that is said. */
async function checkpointWithoutWal({ world, directory }: Lost): Promise<void> {
  const wal = join(directory, 'pg_wal')
  for (const name of await readdir(wal)) if (/^[0-9A-F]{24}$/.test(name)) await rm(join(wal, name))
  const lost: string[] = []
  const asking = recover(world, { latest: true, inPlace: true, toDirectory: directory, set: {} }, undefined, (plan) => {
    lost.push(...plan.inPlace!.lostWal)
    return Promise.reject(new Error('no'))
  })
  await assert.rejects(asking, /^Error: no$/)
  assert.match(
    lost.join(),
    /^pg_wal \(it cannot be read up to the last checkpoint of the server \([0-9A-F]+\/[0-9A-F]+\): it ends at [0-9A-F]+\/[0-9A-F]+\)$/,
  )
}

async function systemOf(world: {
  repository: { listBackups(signal: AbortSignal): Promise<readonly { systemIdentifier: bigint }[]> }
}): Promise<bigint | undefined> {
  return (await world.repository.listBackups(new AbortController().signal))[0]?.systemIdentifier
}
