// Rooms that answer made-up things, for developing and testing the console without servers. Never shipped.
import { z } from 'zod'

import type { Protection, RecoverableRange, WalStatus } from '../../src/backup/contract.ts'
import { protection } from '../../src/backup/contract.ts'
import { defineOperation } from '../../src/base/operation.ts'
import { provide, type Room } from '../../src/base/room.ts'
import { DAY_MS, GIB, HOUR_MS, MIB, MINUTE_MS, SECOND_MS } from '../../src/base/units.ts'
import { controlDatabase, type ControlDatabase, type StoredEvent } from '../../src/control/contract.ts'
import { loadActivity, loadJournal, type JournalEntry, type LoadRun } from '../../src/loads/contract.ts'
import { recoveryEstimates } from '../../src/recovery/contract.ts'
import type { BackupSummary } from '../../src/repository/contract.ts'
import { accuracyOf, recoveryOperations, recoveryRun, recoveryRunFor, tablePlan } from './recovery-fixtures.ts'
import { runEngine, type RunView, type TaskView } from '../../src/runs/contract.ts'

export const scenarios = ['good', 'bad', 'empty', 'fresh', 'unreachable'] as const
export type Scenario = (typeof scenarios)[number]

const iso = (epochMs: number) => new Date(epochMs).toISOString()
const lsn = (position: number) => `0/${position.toString(16).toUpperCase().padStart(8, '0')}`

function backups(nowMs: number): (BackupSummary & { repository: string })[] {
  return Array.from({ length: 14 }, (_, index) => {
    const age = (13 - index) * 7 * MINUTE_MS + 3 * MINUTE_MS
    const isFull = index % 7 === 0
    const clusterBytes = 1.1 * GIB + index * 18 * MIB
    const newBytes = isFull ? clusterBytes : 22 * MIB + index * MIB
    const startedMs = nowMs - age - (isFull ? 14 * SECOND_MS : 2600)
    return {
      id: `${iso(nowMs - age).replaceAll(/[-:]|\.\d+/g, '')}-${(0x7f3a9c1e + index * 977).toString(16).slice(0, 8)}`,
      warehouse: 'retail',
      repository: 'local',
      node: 'retail',
      kind: isFull ? 'full' : 'incremental',
      parent: isFull ? undefined : 'parent',
      independent: false,
      replayFromLsn: BigInt(0x3000028 + index * 0x900000),
      systemIdentifier: 7n,
      timeline: 1,
      startLsn: BigInt(0x3000028 + index * 0x900000),
      stopLsn: BigInt(0x3000158 + index * 0x900000),
      checkpointLsn: 0n,
      startedMs,
      finishedMs: nowMs - age,
      postgresVersion: 180_004,
      catalogVersion: 1,
      walSegmentBytes: 16 * MIB,
      blockBytes: 8192,
      dataChecksums: true,
      tablespaces: [],
      statistics: {
        clusterBytes,
        readBytes: isFull ? clusterBytes : newBytes * 1.08,
        newBytes,
        storedBytes: newBytes / 3.2,
        sharedBytes: clusterBytes - newBytes,
        staticBytes: 0,
        auditedBytes: 0,
        deferredBytes: 0,
        skippedScratchBytes: 0,
        changeMapBytes: 0,
        durationMs: nowMs - age - startedMs,
      },
      madeBy: 'test',
      corruptBlocks: 0,
      unloggedBytes: 12 * MIB,
    } satisfies BackupSummary & { repository: string }
  })
}

function walStatus(scenario: Scenario, nowMs: number): WalStatus[] {
  const isBad = scenario === 'bad'
  return [
    {
      warehouse: 'retail',
      repository: 'local',
      state: isBad ? 'failing' : 'streaming',
      timeline: 1,
      durableLsn: lsn(0x1a4f0e38),
      serverLsn: lsn(0x1a52a1c0),
      lagBytes: 241_544,
      lagMs: 830,
      lastMessageAt: iso(nowMs - (isBad ? 4 * MINUTE_MS : 1200)),
      error: isBad
        ? {
            code: 'backup.spool-full',
            message: 'the repository local is full: 0 bytes free on /backups',
            hint: 'free some space, or let expiry remove old backups',
          }
        : undefined,
    },
  ]
}

function ranges(scenario: Scenario, nowMs: number): RecoverableRange[] {
  const first = nowMs - 94 * MINUTE_MS
  const end = nowMs - (scenario === 'bad' ? 4 * MINUTE_MS : 1000)
  const one = { timeline: 1, fromLsn: lsn(0x3000158), toLsn: lsn(0x1a4f0e38), fromTime: iso(first), toTime: iso(end) }
  if (scenario !== 'bad') return [one]
  return [
    { ...one, toLsn: lsn(0x9000000), toTime: iso(nowMs - 41 * MINUTE_MS) },
    { ...one, fromLsn: lsn(0xb000000), fromTime: iso(nowMs - 33 * MINUTE_MS) },
  ]
}

function fixtureProtection(scenario: Scenario): Protection {
  const isThere = scenario === 'good' || scenario === 'bad'
  const fail = () => Promise.reject(new Error('the repository does not answer'))
  return {
    warehouses: () => (scenario === 'empty' ? [] : [{ name: 'retail', repositories: ['local'] }]),
    walStatus: async () => (isThere ? walStatus(scenario, Date.now()) : []),
    backups: () => (scenario === 'unreachable' ? fail() : Promise.resolve(isThere ? backups(Date.now()) : [])),
    recoverableWindow: () =>
      scenario === 'unreachable' ? fail() : Promise.resolve(isThere ? ranges(scenario, Date.now()) : []),
    walRanges: async () => (isThere ? [{ timeline: 1, startLsn: 0x3000000n, endLsn: 0x1a4f0e38n }] : []),
    overdueChecks: async () => [],
    unlogged: async () => (isThere ? { relations: 2, bytes: 12 * MIB } : { relations: 0, bytes: 0 }),
  }
}

const pipelines = ['sales_day', 'clickstream', 'returns', 'dimensions']

function loadRuns(scenario: Scenario, nowMs: number): LoadRun[] {
  if (scenario === 'empty' || scenario === 'fresh') return []
  return Array.from({ length: 12 }, (_, index) => {
    const startedMs = nowMs - index * MINUTE_MS - 9 * SECOND_MS
    const state = index === 0 ? 'running' : scenario === 'bad' && index === 2 ? 'failed' : 'succeeded'
    return {
      runId: `run-${index}`,
      pipeline: pipelines[index % 4]!,
      state,
      businessDate: iso(Date.UTC(2026, 5, 30) - index * DAY_MS).slice(0, 10),
      createdAt: iso(startedMs - 200),
      startedAt: iso(startedMs),
      finishedAt: state === 'running' ? undefined : iso(startedMs + 7300 + index * 90),
      rows: state === 'failed' ? undefined : 184_210 + index * 1733,
      tasksDone: state === 'running' ? 2 : state === 'failed' ? 1 : 5,
      tasks: 5,
      error:
        state === 'failed'
          ? {
              code: 'loads.bad-value',
              message: 'returns_2026-06-28.csv:1742:5: "12,50" is not a numeric',
              hint: 'mend the file and retry: nothing of it was loaded',
            }
          : undefined,
    }
  })
}

function taskViews(run: LoadRun): TaskView[] {
  const names = [
    ['extract', 'command', []],
    ['stage_sales', 'copy', ['extract']],
    ['stage_items', 'copy', ['extract']],
    ['merge_facts', 'sql', ['stage_sales', 'stage_items']],
    ['refresh_daily', 'sql', ['merge_facts']],
  ] as const
  return names.map(([name, kind, needs], index) => {
    const state =
      index < run.tasksDone
        ? 'succeeded'
        : run.state === 'running' && index === run.tasksDone
          ? 'running'
          : run.state === 'failed'
            ? index === run.tasksDone
              ? 'failed'
              : 'skipped'
            : 'waiting'
    const startedMs = Date.parse(run.startedAt!) + index * 1400
    return {
      id: `${run.runId}-${name}`,
      name,
      kind,
      needs,
      state,
      attempts: state === 'failed' ? 3 : state === 'waiting' || state === 'skipped' ? 0 : 1,
      startedAt: state === 'waiting' || state === 'skipped' ? undefined : new Date(startedMs),
      finishedAt: state === 'succeeded' || state === 'failed' ? new Date(startedMs + 1350) : undefined,
      progress:
        state === 'running'
          ? { phase: 'copying', done: 88 * MIB, total: 211 * MIB, unit: 'bytes', rate: 31 * MIB, leftMs: 4100 }
          : undefined,
      result: state === 'succeeded' ? { rows: 91_120 + index * 31, bytes: 14_883_112 } : null,
      error: state === 'failed' ? run.error : undefined,
    } satisfies TaskView
  })
}

function runView(run: LoadRun): RunView {
  return {
    id: run.runId,
    pipeline: run.pipeline,
    state: run.state,
    trigger: 'schedule',
    businessDate: run.businessDate,
    actor: 'scheduler',
    createdAt: new Date(run.createdAt),
    startedAt: run.startedAt === undefined ? undefined : new Date(run.startedAt),
    finishedAt: run.finishedAt === undefined ? undefined : new Date(run.finishedAt),
    tasks: taskViews(run),
  }
}

function journal(scenario: Scenario): JournalEntry[] {
  return loadRuns(scenario, Date.now())
    .concat(
      Array.from({ length: 80 }, (_, index) => ({
        ...loadRuns('good', Date.now() - (index + 12) * MINUTE_MS)[1]!,
        runId: `old-${index}`,
      })),
    )
    .filter((run) => run.finishedAt !== undefined && run.state === 'succeeded')
    .filter(() => scenario !== 'empty' && scenario !== 'fresh')
    .map((run) => ({
      id: `load-${run.runId}`,
      pipeline: run.pipeline,
      task: 'merge_facts',
      runId: run.runId,
      warehouse: 'retail',
      xid: '8123',
      committedAt: run.finishedAt!,
      targets: ['public.sales'],
      inputs: [],
      rows: run.rows ?? 0,
      logged: true,
    }))
}

/** A control database that keeps nothing: what the server and the samples ask for. */
function fixtureDatabase(scenario: Scenario): ControlDatabase {
  return {
    query: async (sql: string) =>
      (sql.includes('assurance.sample') && sql.includes('date_bin') && scenario !== 'empty' && scenario !== 'fresh'
        ? samples()
        : []) as never,
    emit: async () => {},
    audit: async () => {},
    async *events({ signal }: { signal: AbortSignal }): AsyncGenerator<StoredEvent> {
      for (let id = 1n; !signal.aborted; id++) {
        await new Promise((resolve) => setTimeout(resolve, 3000))
        yield { id, at: new Date(), kind: 'runs.finished', subject: 'sales_day', data: {} }
      }
    },
  } as unknown as ControlDatabase
}

function samples(): object[] {
  const nowMs = Date.now()
  return Array.from({ length: 118 }, (_, index) => {
    const wave = Math.abs(Math.sin(index / 3.1)) * Math.abs(Math.sin(index / 17))
    return {
      at: new Date(nowMs - (118 - index) * 30 * SECOND_MS),
      rpoMs: 400 + wave * 2300,
      lagBytes: 90_000 + wave * 6_400_000,
      rtoMs: 52_000 + index * 90,
      clusterBytes: 1.1 * GIB + index * 2 * MIB,
      storedBytes: 8 * MIB + wave * MIB,
    }
  })
}

const planned = (asked: string, resolved: string) => ({
  warehouse: 'retail',
  repository: 'local',
  backup: {
    id: 'b',
    kind: 'incremental',
    finishedAt: iso(Date.now() - 10 * MINUTE_MS),
    stopLsn: '0/1A000158',
    files: 1412,
  },
  target: { asked, resolved, lsn: '0/1A4F0E38', timeline: 1 },
  directory: '/srv/recovered',
  tablespaces: [],
  wal: { fromLsn: '0/1A000028', toLsn: '0/1A4F0E38', bytes: 48 * MIB },
  steps: [
    {
      step: 'fetch',
      what: 'restore 1412 files of backup 20261121T124400Z-7f3a9c1e',
      bytes: 1.3 * GIB,
      expectedMs: 9200,
      lowMs: 7100,
      highMs: 13_000,
      basis: 'measured',
    },
    {
      step: 'replay',
      what: 'replay WAL from 0/1A000028 to 0/1A4F0E38',
      bytes: 5 * MIB,
      expectedMs: 1400,
      lowMs: 700,
      highMs: 3900,
      basis: 'measured',
    },
    { step: 'verify', what: 'verify (connect)', bytes: 0, expectedMs: 120, lowMs: 80, highMs: 300, basis: 'assumed' },
    { step: 'start', what: 'start the server', bytes: 0, expectedMs: 900, lowMs: 500, highMs: 2100, basis: 'measured' },
  ],
  time: { expectedMs: 11_620, lowMs: 9100, highMs: 17_200, basis: 'measured' },
  space: [{ neededBytes: 1.4 * GIB, freeBytes: 31 * GIB, folders: ['/srv/recovered'] }],
  lost: {
    transactions: {
      count: 412,
      first: '2026-11-21 13:01:12.204133 UTC',
      last: '2026-11-21 13:04:40.771002 UTC',
    },
    loads: ['sales_day/2026-06-30'],
    unlogged: { relations: ['retail.staging_sales', 'retail.staging_clicks'], bytes: 12 * MIB },
    scratch: { relations: ['retail.tmp.wide'], bytes: 3 * MIB },
    hole: null,
    corrupt: [],
  },
  because: 'backup b is chosen: the newest that leads to the target, so the least WAL is replayed',
  alternatives: [
    {
      backup: '20261121T123700Z-7f3aa0ef',
      kind: 'incremental',
      finishedAt: iso(Date.now() - 17 * MINUTE_MS),
      bytes: 1.3 * GIB,
      walBytes: 14 * MIB,
      time: { expectedMs: 13_900, lowMs: 10_100, highMs: 19_400, basis: 'measured' },
    },
  ],
  notes: ['preload libraries left out of the copy: pg_stat_statements'],
})

const reading = {
  output: z.unknown(),
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  text: String,
} as const

function operations(scenario: Scenario): Room['operations'] {
  const isThere = scenario === 'good' || scenario === 'bad'
  const line = (one: BackupSummary & { repository: string }) => ({
    ...one.statistics,
    state: 'complete',
    id: one.id,
    warehouse: one.warehouse,
    repository: one.repository,
    kind: one.kind,
    startedAt: iso(one.startedMs),
    finishedAt: iso(one.finishedMs),
    timeline: one.timeline,
    startLsn: lsn(Number(one.startLsn)),
    stopLsn: lsn(Number(one.stopLsn)),
    corruptBlocks: one.corruptBlocks,
    unloggedBytes: one.unloggedBytes,
  })
  return [
    defineOperation({
      ...reading,
      name: 'backup list',
      summary: 'list',
      input: z.strictObject({}),
      run: async () => ({
        backups: isThere
          ? [
              ...backups(Date.now()).map(line),
              { state: 'running', id: 'x', warehouse: 'retail', repository: 'local', startedAt: iso(Date.now()) },
            ]
          : [],
      }),
    }),
    defineOperation({
      ...reading,
      name: 'backup show',
      summary: 'show',
      input: z.strictObject({ id: z.string() }),
      run: async () => ({
        ...line(backups(Date.now()).at(-1)!),
        parent: '20261121T123700Z-7f3aa0ef',
        postgresVersion: 180_004,
        dataChecksums: true,
        files: 1412,
        relations: 688,
        unlogged: [
          { database: 'retail', relation: 'staging.sales', bytes: 9 * MIB },
          { database: 'retail', relation: 'staging.clicks', bytes: 3 * MIB },
        ],
        corrupt:
          scenario === 'bad'
            ? [{ file: 'base/16384/16421', block: 8812, reason: 'checksum', relation: 'public.sales_2026_05' }]
            : [],
        notes: [],
      }),
    }),
    defineOperation({
      ...reading,
      name: 'backup run',
      summary: 'run',
      role: 'operator',
      danger: 'writes',
      where: 'run',
      input: z.strictObject({ warehouse: z.string(), kind: z.string().optional() }),
      run: async () => ({}),
    }),
    defineOperation({
      ...reading,
      name: 'warehouse show',
      summary: 'show',
      input: z.strictObject({ name: z.string() }),
      run: async () => ({
        name: 'retail',
        version: 180_004,
        dataDirectory: '/var/lib/wharf/demo/retail',
        dataChecksums: true,
        walLevel: 'replica',
        bytes: 1.3 * GIB,
        databases: [{ name: 'retail' }, { name: 'postgres' }],
        tablespaces: [],
      }),
    }),
    ...recoveryOperations,
    accuracyOf(isThere),
    defineOperation({
      ...reading,
      name: 'recover plan',
      summary: 'plan',
      input: z.strictObject({
        warehouse: z.string(),
        at: z.string().optional(),
        latest: z.boolean().optional(),
        beforeLoad: z.string().optional(),
        lsn: z.string().optional(),
        name: z.string().optional(),
        start: z.boolean().optional(),
        toDirectory: z.string().optional(),
        table: z.array(z.string()).optional(),
        database: z.string().optional(),
        as: z.string().optional(),
        mode: z.string().optional(),
      }),
      run: async (input) => {
        if (input.database) return { ...tablePlan([input.database], 'database', 'latest'), way: 'database' }
        if (input.table)
          return tablePlan(input.table, input.mode ?? 'beside', input.lsn ? `LSN ${input.lsn}` : 'latest')
        return planned(
          input.at ? `time ${input.at}` : input.beforeLoad ? `before load "${input.beforeLoad}"` : 'latest',
          'up to and with the record at 0/1A4F0E38, the commit of transaction 8123 of 2026-11-21 13:01:10+00',
        )
      },
    }),
  ]
}

/** All services and operations of other rooms, made up for a scenario. */
export function fixtureRoom(scenario: Scenario): Room {
  const activity = (nowMs: number) => loadRuns(scenario, nowMs)
  return {
    name: 'fixtures',
    summary: 'made up',
    operations: operations(scenario) ?? [],
    services: [
      provide(protection, () => fixtureProtection(scenario)),
      provide(controlDatabase, () => fixtureDatabase(scenario)),
      provide(loadActivity, () => ({ recent: async () => activity(Date.now()) })),
      provide(loadJournal, () => ({ list: async () => journal(scenario), get: async () => undefined })),
      provide(recoveryEstimates, () => ({
        estimate: async () =>
          scenario === 'good' || scenario === 'bad'
            ? {
                warehouse: 'retail',
                expectedMs: 62_000,
                lowMs: 48_000,
                highMs: 95_000,
                basis: 'measured' as const,
                steps: [{ step: 'fetch' as const, bytes: 1.3 * GIB, bytesPerSecond: 180 * MIB, ms: 9000 }],
              }
            : undefined,
        lastProof: async () =>
          scenario === 'good' ? { at: iso(Date.now() - 26 * MINUTE_MS), backup: 'b', durationMs: 58_000 } : undefined,
      })),
      provide(runEngine, () => ({
        submit: async (request) => ({ runId: recoveryRunFor(request) ?? 'run-0', created: true }),
        get: async (id) =>
          recoveryRun(id) ??
          activity(Date.now())
            .map(runView)
            .find((one) => one.id === id),
        list: async () => activity(Date.now()).map(runView),
        log: async () =>
          Array.from({ length: 40 }, (_, index) => ({
            line: BigInt(index + 1),
            task: ['extract', 'stage_sales', 'stage_items'][index % 3]!,
            at: new Date(Date.now() - HOUR_MS / 60 + index * 900),
            text:
              index % 7 === 3
                ? 'copied sales_2026-06-30.csv: 91 120 rows, 14.2 MB, sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
                : `step ${index} of the task`,
          })),
        cancel: async () => {},
        retry: async () => {},
        work: async () => {},
        runHere: async () => {
          throw new Error('not here')
        },
      })),
    ],
  }
}
