// What recovery says before a server or a backup is needed, word for word: message and hint.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { processEnvironment } from '../../src/base/environment.ts'
import type { OperationContext } from '../../src/base/operation.ts'
import { followedBefore } from '../../src/recovery/follow/follow.ts'
import { parseGetArguments, getUsage } from '../../src/recovery/get/arguments.ts'
import { checkFirstPage, fetchFile } from '../../src/recovery/get/fetch.ts'
import { readOptions } from '../../src/recovery/get/options.ts'
import { cutOver } from '../../src/recovery/operations/cut-over.ts'
import { chosenWarehouse } from '../../src/recovery/operations/default-warehouse.ts'
import { drillRun } from '../../src/recovery/operations/drill-run.ts'
import { drillShow } from '../../src/recovery/operations/drill-show.ts'
import { plan } from '../../src/recovery/operations/plan.ts'
import { run } from '../../src/recovery/operations/run.ts'
import { table } from '../../src/recovery/operations/table.ts'
import { refuseToRun, type PreparedRecovery } from '../../src/recovery/plan/prepare.ts'
import { replayingOf } from '../../src/recovery/replay-before-opening.ts'
import { writeMarker, type Marker } from '../../src/recovery/restore/marker.ts'
import { openChosenRepository } from '../../src/recovery/restore/open-repository.ts'
import { chooseOwner } from '../../src/recovery/restore/owner.ts'
import { restore, type RestoreOptions } from '../../src/recovery/restore/restore.ts'
import type { RecoveryRequest } from '../../src/recovery/run-recovery.ts'
import type { StartProof } from '../../src/recovery/server/start.ts'
import { parseTableName } from '../../src/recovery/tables/names.ts'
import { targetRequest } from '../../src/recovery/target/request.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import { pageMagics } from '../../src/wal/layouts.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'
import { emptyManifest } from '../support/sample-manifest.ts'
import { saidOf } from './said.ts'

const signal = new AbortController().signal
const folder = mkdtempSync(join(tmpdir(), 'wharf-words-'))
after(() => rmSync(folder, { recursive: true }))

const said = (work: () => unknown): Promise<string> => saidOf(work, folder)

async function contextOf(warehouses: object, work: (context: OperationContext) => Promise<void>): Promise<void> {
  await using scope = new AsyncDisposableStack()
  const rooms = [warehouseRoom, repositoryRoom]
  const context = testContext({ home: folder, rooms, config: { warehouses, repositories: {} } }, scope)
  const asking = { progress: () => {}, confirm: () => Promise.resolve(true), actor: 'test' }
  await work(Object.assign(Object.create(context) as typeof context, asking))
}

test('targets and names', async () => {
  assert.equal(
    await said(() => targetRequest({})),
    'recovery.no-target: no recovery target was named | one of --latest, --at TIME, --lsn LSN, --name NAME, --xid N, --before-load ID',
  )
  assert.equal(
    await said(() => targetRequest({ latest: true, xid: '700' })),
    'recovery.many-targets: --latest and --xid exclude each other | name exactly one recovery target',
  )
  assert.equal(
    await said(() => targetRequest({ xid: 'abc' })),
    'recovery.bad-xid: not a transaction id: "abc" | a decimal number, as pg_current_xact_id() prints it',
  )
  assert.equal(
    await said(() => parseTableName('sales orders')),
    'recovery.bad-table-name: not a name of a table: "sales orders" | for example orders, sales.orders or \'"Sales"."Big Orders"\'',
  )
})

test('which warehouse, which tables, which repository', async () => {
  const one = { url: 'postgresql://u@localhost/d', repositories: [] }
  await contextOf({}, async (context) => {
    assert.equal(
      await said(() => chosenWarehouse(undefined, context)),
      'recovery.which-warehouse: no warehouse is named, and none is declared | name it with --warehouse',
    )
    const input = table.input.parse({ tables: ['orders'], latest: true })
    assert.equal(
      await said(() => table.run(input, context, signal)),
      'recovery.which-warehouse: no warehouse is declared | name one with --warehouse; wharf warehouse add NAME URL declares one',
    )
  })
  await contextOf({ dw: one, mart: one }, async (context) => {
    assert.equal(
      await said(() => chosenWarehouse(undefined, context)),
      'recovery.which-warehouse: which warehouse is meant is not said | --warehouse NAME, one of dw, mart',
    )
    const run = (wishes: object) => table.run(table.input.parse({ latest: true, ...wishes }), context, signal)
    assert.equal(
      await said(() => run({ tables: ['orders'] })),
      'recovery.which-warehouse: several warehouses are declared: dw, mart | name one with --warehouse; wharf warehouse add NAME URL declares one',
    )
    assert.equal(
      await said(() => run({ warehouse: 'dw', tables: ['a', 'b'], as: 'c' })),
      'recovery.many-for-one-name: --as c is one name for 2 tables | recover them one by one, or leave --as out: they come back as NAME_recovered',
    )
    const open = (wishes: object) => openChosenRepository({ warehouse: 'dw', ...wishes }, context, signal)
    assert.equal(
      await said(() => open({})),
      'recovery.no-repository: no repository is known for warehouse "dw" | declare it in wharf.yaml, or give --repository-path with --key-file or --passphrase-file',
    )
    assert.equal(
      await said(() => open({ repositoryPath: '/a', repositoryS3: 's3://b' })),
      'recovery.bad-option: --repository-s3 s3://b: a folder is named as well | ',
    )
    const keys = { repositoryPath: folder, keyFile: '/k', passphraseFile: '/p' }
    assert.equal(
      await said(() => open(keys)),
      'recovery.bad-option: --key-file /k: a passphrase file is named as well | ',
    )
    const missing = { repositoryPath: folder, passphraseFile: join(folder, 'none') }
    assert.equal(
      await said(() => open(missing)),
      'recovery.bad-option: --passphrase-file <folder>/none: it cannot be read | ',
    )
  })
})

test('owners', async () => {
  const environment = { ...processEnvironment(), user: 'me' }
  const choose = (isRoot: boolean, wanted: string) =>
    chooseOwner({ directory: folder, wanted, environment: { ...environment, isRoot } })
  assert.equal(
    await said(() => choose(false, 'you')),
    'recovery.owner-needs-root: only root can give files to user "you" | leave --owner out, or run as root',
  )
  assert.equal(
    await said(() => choose(true, 'no such user')),
    'recovery.unknown-owner: there is no user "no such user" on this machine | name the user that will run the server with --owner',
  )
})

test('what a backup or its place does not allow', async () => {
  const plan = {
    lost: { corrupt: ['dw.public.t block 7'], scratch: { relations: ['dw.stage.a', 'dw.stage.b'] } },
    space: [{ folders: ['/restore'], neededBytes: 5_000_000_000, freeBytes: 1_000_000_000 }],
  }
  const manifest = { id: 'b', corrupt: [], scratch: [] }
  const refuse = (more: object, options = {}) =>
    said(() => refuseToRun({ plan, manifest: { ...manifest, ...more }, options } as unknown as PreparedRecovery))
  assert.equal(
    await refuse({ corrupt: [{}] }),
    'recovery.corrupt-blocks: backup b holds 1 block that was damaged at the source already: dw.public.t block 7 | choose an older backup with --backup, or take them as they are with --allow-corrupt',
  )
  assert.equal(
    await refuse({ scratch: [{}] }),
    'recovery.scratch-needs-start: backup b leaves out 2 scratch relations, which must be emptied before anyone may connect: dw.stage.a, dw.stage.b | add --start: the server is started behind closed doors, the relations are emptied, then it opens',
  )
  assert.equal(
    await refuse({}),
    'recovery.no-space: /restore has 954 MB free, 4.7 GB are needed | free space, name another folder, or move tablespaces elsewhere with --tablespace',
  )
  const empty = { ...emptyManifest('b', 'dw'), files: [] }
  assert.equal(
    await said(() => restore({ manifest: empty, clock: { monotonic: () => 0 } } as unknown as RestoreOptions)),
    'recovery.bad-manifest: backup b cannot be restored: it has no global/pg_control | choose another backup with --backup; wharf repository check names what is damaged',
  )
})

test('wal get', async () => {
  const args = (...given: string[]) => said(() => parseGetArguments(given))
  const usage = (text: string) => text.replace(getUsage, '<usage>')
  assert.equal(usage(await args('--what')), 'recovery.bad-get-usage: --what is not understood (usage: <usage>) | ')
  assert.equal(
    usage(await args('000000010000000000000003')),
    'recovery.bad-get-usage: SEGMENT and DEST are needed (usage: <usage>) | ',
  )
  assert.equal(
    usage(await args('three', 'here')),
    'recovery.bad-get-usage: "three" is no name of a WAL file (usage: <usage>) | ',
  )
  assert.equal(
    usage(await args('000000010000000000000003', 'here')),
    'recovery.bad-get-usage: --options or one of --repository-path and --repository-s3 is needed (usage: <usage>) | ',
  )
  writeFileSync(join(folder, 'options.json'), '{"version":9}')
  assert.equal(
    await said(() => readOptions(join(folder, 'options.json'))),
    'recovery.bad-wal-options: cannot read the WAL options <folder>/options.json: it is of another version | recovery writes that file: run it again',
  )
  const name = '000000010000000000000003'
  const place = { startLsn: 3n << 20n, majorVersion: 18, segmentBytes: 1 << 20, systemIdentifier: 7n }
  const page = Buffer.alloc(1 << 20)
  page.writeUInt16LE(pageMagics[18]!, 0)
  page.writeBigUInt64LE(place.startLsn, 8)
  page.writeBigUInt64LE(8n, 24)
  const check = (bytes: Buffer) => said(() => checkFirstPage(bytes, name, place))
  assert.equal(
    await check(page.subarray(1)),
    'recovery.bad-segment: WAL 000000010000000000000003 of the repository is not usable: it has 1048575 bytes instead of 1048576 | wharf repository check names what is damaged; a copy of the repository may hold it whole',
  )
  assert.equal(
    await check(page),
    'recovery.bad-segment: WAL 000000010000000000000003 of the repository is not usable: it belongs to cluster 8 | wharf repository check names what is damaged; a copy of the repository may hold it whole',
  )
  page.writeBigUInt64LE(0n, 8)
  assert.equal(
    await check(page),
    'recovery.bad-segment: WAL 000000010000000000000003 of the repository is not usable: its first page has the address of another segment | wharf repository check names what is damaged; a copy of the repository may hold it whole',
  )
  const known = [{ timeline: 1, from: '0', to: String(1n << 40n) }]
  const plan = {
    systemIdentifier: '7',
    postgresVersion: 180_000,
    walSegmentBytes: 1 << 20,
    rewrite: false,
    switches: [],
    known,
  }
  const nothing = { segment: () => Promise.resolve(undefined) }
  assert.equal(
    await said(() => fetchFile(nothing, name, plan)),
    'recovery.wal-unavailable: cannot get WAL 000000010000000000000003: it was in the repository when recovery was planned, and is not now | run the same command again once the repository answers and holds it; wharf repository check names what is missing',
  )
})

test('standbys, drills and loads', async () => {
  await contextOf({}, async (context) => {
    assert.equal(
      await said(() => drillShow.run({ drill: 'last' }, context, signal)),
      'recovery.unknown-drill: there is no evidence of a drill "last" | wharf drill list shows what there is',
    )
    const sheet = (asked: object) => () =>
      drillRun.run(drillRun.input.parse({ warehouse: 'dw', tableTop: true, ...asked }), context, signal)
    assert.equal(
      await said(sheet({ tier: 'critical' })),
      'recovery.bad-option: --tier critical: a run sheet is of everything: leave it out, or leave --table-top out | ',
    )
    assert.equal(
      await said(sheet({ random: true })),
      'recovery.bad-option: --random true: nobody types a target that is drawn: name one, or leave --table-top out | ',
    )
    const where = { warehouse: 'dw', latest: true, toDirectory: join(folder, 'there') }
    assert.equal(
      await said(() => run.run(run.input.parse({ ...where, start: true, criticalPort: 5433 }), context, signal)),
      'recovery.critical-option: --critical-port makes sense only with --critical-first | it says where critical tables are read before the rest is back: add --critical-first and --start, or leave it out',
    )
    assert.equal(
      await said(() => plan.run(plan.input.parse({ ...where, criticalDirectory: folder }), context, signal)),
      'recovery.critical-option: --critical-directory makes sense only with --critical-first | it says where critical tables are read before the rest is back: add --critical-first and --start, or leave it out',
    )
    const cut = () => said(() => cutOver.run({ directory: folder }, context, signal))
    assert.equal(
      await cut(),
      'recovery.not-following: <folder> follows no warehouse | wharf recover run WAREHOUSE --follow --to-directory DIRECTORY begins one',
    )
    const marker: Marker = {
      version: 1,
      state: 'following',
      recovery: 'r',
      warehouse: 'dw',
      repository: 'r',
      backup: 'b',
      target: 'latest',
      startedAt: '2026-11-20T14:05:00.000Z',
      tablespaces: [],
    }
    await writeMarker(folder, marker)
    assert.equal(
      await cut(),
      'recovery.nobody-follows: nobody feeds the standby in <folder> now | run wharf recover run --follow for it again, then cut over',
    )
    assert.equal(
      await said(() => followedBefore(folder, 'mart')),
      'recovery.foreign-operation: <folder> holds an unfinished operation: a standby of warehouse "dw" | finish that one, or restore elsewhere with --to-directory',
    )
    assert.equal(
      await said(() => followedBefore(folder, 'dw')),
      'recovery.opened-already: <folder> was opened by a cut-over that did not come to its end: it follows no more | start it and look at it, or begin a new one in another folder',
    )

    const request = {
      warehouse: 'dw',
      toDirectory: '/restore',
      repositoryPath: join(folder, 'away'),
      replayLoads: true,
    }
    const replaying = replayingOf(request as RecoveryRequest, context, { report: () => {}, signal })
    const server = { socketDirectory: folder, port: 5433, user: 'postgres' }
    await replaying.within!(server)
    assert.equal(
      await said(() => replaying.report({ server: { ...server, pid: 1 } } as StartProof)),
      'recovery.loads-not-replayed: /restore is recovered, proven and open on port 5433, but its loads did not all come back: cannot reach file:<folder>/away: no such folder | the server runs; once the cause is gone: wharf recover loads dw --to postgresql://postgres@127.0.0.1:5433/postgres goes on from there',
    )
  })
})
