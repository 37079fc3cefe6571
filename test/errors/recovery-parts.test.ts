// What recoveries of parts, in place and of followers say before a server or a backup is needed, word for word: message and hint.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { processEnvironment } from '../../src/base/environment.ts'
import {
  demandOwnWal,
  demandSameHistory,
  openPlace,
  timelineError,
  type HealPlace,
} from '../../src/recovery/blocks/place.ts'
import { parseBlocks, parseFile, wantedBlock } from '../../src/recovery/blocks/wanted.ts'
import { findDumpProgram } from '../../src/recovery/database/dump.ts'
import { refuseOldDump } from '../../src/recovery/database/recover-database.ts'
import { runFollow, type FollowRequest } from '../../src/recovery/follow/run-follow.ts'
import { inspectTarget } from '../../src/recovery/in-place/inspect.ts'
import { placeOfInput } from '../../src/recovery/operations/options.ts'
import { planAnyInput, planPart } from '../../src/recovery/operations/plan-part.ts'
import { table } from '../../src/recovery/operations/table.ts'
import { writeError } from '../../src/recovery/restore/write-error.ts'
import { targetErrors } from '../../src/recovery/target/errors.ts'
import { parseRelationName } from '../../src/recovery/when/relation-name.ts'
import { spanOf } from '../../src/recovery/when/span.ts'
import type { OperationContext } from '../../src/base/operation.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'
import { saidOf } from './said.ts'

const signal = new AbortController().signal
const folder = mkdtempSync(join(tmpdir(), 'wharf-words-'))
after(() => rmSync(folder, { recursive: true }))

const said = (work: () => unknown): Promise<string> => saidOf(work, folder)

async function inContext(work: (context: OperationContext) => Promise<void>): Promise<void> {
  await using scope = new AsyncDisposableStack()
  const config = { warehouses: { dw: { url: 'postgresql://u@localhost/d', repositories: [] } } }
  const context = testContext({ home: folder, rooms: [warehouseRoom], config }, scope)
  const asking = { progress: () => {}, confirm: () => Promise.resolve(true), actor: 'test' }
  await work(Object.assign(Object.create(context) as typeof context, asking))
}

test('which blocks, and where they lie', async () => {
  assert.equal(
    await said(() => parseBlocks('7-x')),
    'recovery.bad-blocks: not a list of blocks: "7-x" | numbers and ranges from 0 on, for example 7,12,20-25',
  )
  assert.equal(
    await said(() => parseFile('base/orders')),
    'recovery.bad-block-file: not a file of a relation: "base/orders" | as pg_relation_filepath() gives it, for example base/5/16384; with .1 for the second segment',
  )
  const fork = (name: string) =>
    said(() => wantedBlock({ parsed: parseFile(`base/5/7_${name}`), block: 0, relation: 't' }))
  assert.equal(
    await fork('vm'),
    'recovery.map-fork: the vm fork of t is not healed: PostgreSQL makes it anew | a bad page of it is read as zeros, and VACUUM (DISABLE_PAGE_SKIPPING) fills it; or create extension pg_visibility, pg_truncate_visibility_map()',
  )
  assert.equal(
    await fork('fsm'),
    'recovery.map-fork: the fsm fork of t is not healed: PostgreSQL makes it anew | a bad page of it is read as zeros, and VACUUM fills it',
  )
  const place = { kind: 'stopped', dataDirectory: folder, control: { timeline: 2 } } as HealPlace
  const other =
    'pages of another history would be wrong here; let the repository receive the WAL of this server, and take a backup of it'
  assert.equal(
    await said(() => demandOwnWal(place, { toLsn: 0x3000200n, serverLsn: 0x3000000n })),
    `recovery.block-other-timeline: the server's timeline 2 is not the one in the repository: the repository has WAL up to 0/3000200, and the server is at 0/3000000 only | ${other}`,
  )
  mkdirSync(join(folder, 'pg_wal'))
  writeFileSync(join(folder, 'pg_wal', '00000002.history'), '1\t0/3000000\tno recovery target specified\n')
  assert.equal(
    await said(() => demandSameHistory(place, [{ timeline: 2, startLsn: 0n, endLsn: undefined }])),
    `recovery.block-other-timeline: the server's timeline 2 is not the one in the repository: the one in the repository branched off elsewhere | ${other}`,
  )
  const unknown = targetErrors.noHistory(2)
  assert.equal(
    await said(() => {
      throw unknown
    }),
    'recovery.no-history: the repository holds WAL of timeline 2 but not its history file | name an older timeline with --timeline',
  )
  assert.equal(
    await said(() => {
      throw timelineError(unknown, place)
    }),
    `recovery.block-other-timeline: the server's timeline 2 is not the one in the repository: the repository has no history of it | ${other}`,
  )
  await inContext(async (context) => {
    const dataDirectory = join(folder, 'none')
    assert.equal(
      await said(() => openPlace({ warehouse: 'dw', dataDirectory, systemIdentifier: 7n }, context, signal)),
      'recovery.block-not-here: the data directory <folder>/none cannot be healed from here: global/pg_control is not there | run the command on the host of the server, as root or as its user',
    )
  })
})

test('tables, plans and histories', async () => {
  await inContext(async (context) => {
    assert.equal(
      await said(() => table.run(table.input.parse({ tables: [], latest: true }), context, signal)),
      'recovery.no-table: no table is named | wharf recover table sales.orders --at "2026-11-20 14:05"',
    )
    const two = planAnyInput.parse({ table: ['a'], block: ['b:1'], loads: true, latest: true })
    assert.equal(
      await said(() => planPart(two, context, signal)),
      'recovery.many-plans: --table and --block and --loads are plans of different recoveries | ask for one at a time',
    )
    const first = planAnyInput.parse({ table: ['a'], criticalFirst: true, latest: true })
    assert.equal(
      await said(() => planPart(first, context, signal)),
      'recovery.many-plans: --table and --critical-first are plans of different recoveries | ask for one at a time',
    )
  })
  assert.equal(
    await said(() => parseRelationName('a.b.c.d')),
    'recovery.bad-relation-name: not the name of a table: "a.b.c.d" | schema.table or database.schema.table; "double quotes" around names with dots',
  )
  assert.equal(
    await said(() => spanOf({ since: '1h', until: '2h' }, 1e12)),
    'recovery.bad-span: --since 1h is not before --until 2h | ',
  )
})

test('pg_dump', async () => {
  assert.equal(
    await said(() => refuseOldDump({ path: '/usr/bin/pg_dump', major: 15 }, 180_001)),
    'recovery.old-pg-dump: /usr/bin/pg_dump is of PostgreSQL 15, the backup of 18 | nothing was made; pg_dump reads no server that is newer than itself: install the client programs of PostgreSQL 18 (postgresql-client-18), or name one of 18 or newer with --pg-dump PATH',
  )
  const environment = { ...processEnvironment(), variables: { PATH: folder } }
  assert.equal(
    await said(() => findDumpProgram({ named: undefined, binaries: undefined, newest: 1, environment })),
    'recovery.no-pg-dump: pg_dump of PostgreSQL 1 was not found | it writes down what the database is made of, beside its rows: install the client programs of PostgreSQL 1 (postgresql-client-1), or name it with --pg-dump PATH',
  )
  assert.equal(
    await said(() => findDumpProgram({ named: '/bin/true', binaries: undefined, newest: 18, environment })),
    'recovery.no-pg-dump: /bin/true is no pg_dump of PostgreSQL 18 or older | it writes down what the database is made of, beside its rows: install the client programs of PostgreSQL 18 (postgresql-client-18), or name it with --pg-dump PATH',
  )
})

test('where to, in place, and followers', async () => {
  const where = '--to-directory DIR for a missing or empty folder, --in-place DIR over a stopped server'
  assert.equal(
    await said(() => placeOfInput({ toDirectory: undefined, inPlace: undefined })),
    `recovery.no-directory: nowhere to recover to was named | ${where}`,
  )
  assert.equal(
    await said(() => placeOfInput({ toDirectory: '/a', inPlace: '/b' })),
    `recovery.two-directories: --to-directory and --in-place exclude each other | ${where}`,
  )
  assert.equal(
    await said(() => inspectTarget(join(folder, 'none'), 'dw')),
    'recovery.no-cluster: <folder>/none holds no PostgreSQL cluster | --to-directory restores into a missing or empty folder',
  )
  const lost = join(folder, 'lost')
  mkdirSync(join(lost, 'global'), { recursive: true })
  writeFileSync(join(lost, 'PG_VERSION'), '18\n')
  assert.equal(
    await said(() => inspectTarget(lost, 'dw')),
    'recovery.unknown-cluster: nobody can tell which cluster <folder>/lost holds: its pg_control cannot be read, nor any segment of its WAL | move it away and restore with --to-directory and --original',
  )
  await inContext(async (context) => {
    const follow = (wishes: Partial<FollowRequest>) =>
      said(() => runFollow({ warehouse: 'dw', ...wishes } as FollowRequest, context, { report: () => {}, signal }))
    assert.equal(
      await follow({ criticalFirst: true }),
      'recovery.critical-no-follow: --critical-first and --follow exclude each other | --follow --readable lets readers in to all that has been replayed',
    )
    assert.equal(
      await follow({ lsn: '0/3000000' }),
      'recovery.follow-target: --follow replays whatever comes: no target but --latest goes with it | leave the target out; wharf recover cut-over DIRECTORY ends it',
    )
    assert.equal(
      await follow({ inPlace: true }),
      'recovery.follow-elsewhere: --follow makes a copy in a folder of its own: --in-place and --original do not go with it | after the cut-over the copy can take the place of the original',
    )
  })
})

test('what a disk says', async () => {
  const failing = (code: string) => () => {
    throw writeError(Object.assign(new Error(`${code}: it said`), { code }), join(folder, 'base'))
  }
  assert.equal(
    await said(failing('EIO')),
    'recovery.write-failed: writing <folder>/base failed: EIO: it said | nothing can be started from the folder; run again with --resume when the cause is gone',
  )
  assert.equal(
    await said(failing('EDQUOT')),
    'recovery.disk-full: the disk is full: writing <folder>/base failed | free space and run the same command again with --resume',
  )
})
