// What the recovery page asks, made up.
import { z } from 'zod'

import { defineOperation, type AnyOperation } from '../../src/base/operation.ts'
import type { Room } from '../../src/base/room.ts'
import { GIB, HOUR_MS, MIB, MINUTE_MS } from '../../src/base/units.ts'
import { accuracy, accuracyJson } from '../../src/recovery/operations/accuracy.ts'
import type { PartPlan } from '../../src/recovery/plan/parts/plan.ts'
import type { RecoveryRecord } from '../../src/recovery/rates/times.ts'
import type { TablesReport } from '../../src/recovery/tables/report.ts'
import type { RunView } from '../../src/runs/contract.ts'

const iso = (epochMs: number): string => new Date(epochMs).toISOString()

const common = { output: z.unknown(), errors: [], needs: 'nothing', text: String } as const

export const recoveryOperations: NonNullable<Room['operations']> = [
  defineOperation({
    ...common,
    name: 'recover commits',
    summary: 'commits',
    role: 'viewer',
    danger: 'none',
    where: 'here',
    input: z.strictObject({ warehouse: z.string(), since: z.string(), buckets: z.number() }),
    run: async () => ({
      warehouse: 'retail',
      from: iso(Date.now() - 60 * MINUTE_MS),
      bucketMs: 30_000,
      commits: Array.from({ length: 120 }, (_, index) => Math.round(40 + 30 * Math.sin(index / 9) + (index % 13) * 3)),
      completeFrom: iso(Date.now() - 60 * MINUTE_MS),
      undecoded: 0,
    }),
  }),
  defineOperation({
    ...common,
    name: 'drill list',
    summary: 'drills',
    role: 'viewer',
    danger: 'none',
    where: 'here',
    input: z.strictObject({ warehouse: z.string() }),
    run: async () => ({
      drills: [
        {
          number: 1,
          id: 'D-1',
          startedAt: iso(Date.now() - 20 * MINUTE_MS),
          outcome: 'passed',
          backup: 'b',
          recoveryMs: 61_000,
          findings: 0,
          problems: [],
        },
      ],
      problems: [],
    }),
  }),
  defineOperation({
    ...common,
    name: 'recover when table',
    summary: 'when',
    role: 'viewer',
    danger: 'none',
    where: 'run',
    input: z.strictObject({ table: z.string(), warehouse: z.string(), since: z.string() }),
    run: async () => ({}),
  }),
  defineOperation({
    ...common,
    name: 'recover table',
    summary: 'table',
    role: 'admin',
    danger: 'writes',
    where: 'run',
    input: z.record(z.string(), z.unknown()),
    run: async () => ({}),
  }),
  defineOperation({
    ...common,
    name: 'recover run',
    summary: 'run',
    role: 'admin',
    danger: 'writes',
    where: 'run',
    input: z.record(z.string(), z.unknown()),
    run: async () => ({}),
  }),
]

const moment = (epochMs: number): string => `${iso(epochMs).replace('T', ' ').replace('Z', '')}000 UTC`

const found = {
  database: 'retail',
  relation: 'sales.orders',
  events: [
    {
      kind: 'delete',
      at: moment(Date.now() - 90 * MINUTE_MS),
      lsn: '0/1A2B3C40',
      xid: 81_231,
      rows: { deleted: 412_003, updated: 0, inserted: 0 },
      isAtLeast: false,
      detail: 'of 500 000 rows that the backup had',
      undo: ['--lsn', '0/1A2B3C40'],
    },
    {
      kind: 'update',
      at: moment(Date.now() - 200 * MINUTE_MS),
      lsn: '0/19000028',
      xid: 80_007,
      load: 'sales_day/2026-06-30',
      rows: { deleted: 0, updated: 1200, inserted: 0 },
      isAtLeast: false,
      detail: '',
      undo: ['--lsn', '0/19000028'],
    },
  ],
  leftOut: { events: 3 },
  notes: [],
}

const compared: TablesReport = {
  warehouse: 'retail',
  database: 'retail',
  backup: 'b',
  target: 'LSN 0/1A2B3C40',
  lsn: '0/1A2B3C40',
  tables: [
    {
      table: 'sales.orders',
      rows: 500_000,
      partitions: 0,
      outcome: 'compared',
      place: undefined,
      keptAs: undefined,
      merged: undefined,
      diff: {
        key: ['id'],
        rowsThen: 500_000,
        rowsNow: 91_203,
        missing: 412_003,
        changed: 17,
        extra: 3206,
        samples: { missing: ['1', '2', '3'], changed: ['400211'], extra: ['500001'] },
        columns: { onlyThen: [], onlyNow: ['channel'], otherType: [] },
      },
    },
  ],
  notes: [],
  restoredBytes: 9e8,
  fetchedBytes: 2e8,
  copiedBytes: 6e7,
  durationMs: 8100,
}

const effects: Readonly<Record<string, string>> = {
  database: 'a new database shop_recovered_<time> beside the others; nothing else changes',
  beside: 'sales.orders comes beside the live one as NAME_recovered',
  merge: 'missing and changed rows go back into sales.orders by primary key, in one transaction; asks first',
}

export const tablePlan = (tables: readonly string[], mode: string, asked: string): PartPlan => ({
  way: 'table',
  warehouse: 'retail',
  repository: 'local',
  what: tables,
  backup: {
    id: '20261121T124400Z-7f3a9c1e',
    kind: 'incremental',
    finishedAt: iso(Date.now() - 10 * MINUTE_MS),
    stopLsn: '0/1A000158',
    files: 1412,
  },
  target: {
    asked,
    resolved: 'up to, without, the record at 0/1A2B3C40',
    lsn: '0/1A2B3C40',
    timeline: 1,
    localZone: undefined,
  },
  size: { files: 812, wantedBytes: 64 * MIB, catalogBytes: 38 * MIB, walBytes: 5 * MIB },
  steps: [
    {
      step: 'fetch',
      what: 'restore 812 files of backup 20261121T124400Z-7f3a9c1e into a sandbox',
      bytes: 102 * MIB,
      expectedMs: 1900,
      lowMs: 1400,
      highMs: 2700,
      basis: 'measured',
    },
    {
      step: 'copy-rows',
      what: 'copy the rows of 1 table',
      bytes: 60 * MIB,
      count: 1,
      expectedMs: 2400,
      lowMs: 900,
      highMs: 6100,
      basis: 'assumed',
    },
  ],
  time: { expectedMs: 4300, lowMs: 2600, highMs: 8200, basis: 'assumed' },
  space: [{ folders: ['/var/lib/wharf/sandboxes'], neededBytes: 210 * MIB, freeBytes: 31 * GIB }],
  live: [effects[mode]!],
  lost: {
    unlogged: { relations: [], bytes: 0 },
    scratch: { relations: [], bytes: 0 },
    transactions: undefined,
    uncounted: 'a record of the server at 0/1A2C0000 could not be read',
    loads: [],
    hole: undefined,
    corrupt: [],
  },
  because:
    'backup 20261121T124400Z-7f3a9c1e is chosen: the newest of 9 that lead to the target; with the one before, 20261121T123700Z-7f3aa0ef, 9.0 MB more of WAL would be read',
  notes: ['counted is what stood under these names in the backup; names are resolved at the target'],
})

/** Thirty recoveries of several ways: most as said, two not at all, the first ones by guesses. */
function times(nowMs: number): readonly RecoveryRecord[] {
  const ways = ['drill', 'node', 'drill', 'table'] as const
  return Array.from({ length: 30 }, (_, index) => {
    const way = ways[index % ways.length]!
    const basis = index < 3 ? ('assumed' as const) : ('measured' as const)
    const said = way === 'table' ? 4300 + index * 90 : 52_000 + index * 400
    const off = index === 11 ? 2.7 : index === 22 ? 0.45 : basis === 'assumed' ? 1.9 : 0.9 + ((index * 7) % 11) / 50
    const predicted = (ms: number) => ({ expectedMs: ms, lowMs: ms * 0.82, highMs: ms * 1.25, basis })
    return {
      at: iso(nowMs - (30 - index) * 9 * HOUR_MS),
      warehouse: 'retail',
      backup: '20261121T124400Z-7f3a9c1e',
      target: 'latest',
      verified: true,
      durationMs: said * off,
      way,
      predicted: predicted(said),
      steps: [
        { step: 'fetch', bytes: GIB, ms: said * 0.6, predicted: predicted(said * 0.62) },
        { step: 'replay', bytes: 9 * MIB, ms: said * (off - 0.6), predicted: predicted(said * 0.38) },
        {
          step: 'verify',
          kind: 'full',
          bytes: GIB,
          ms: 210,
          predicted: { ...predicted(100), basis: 'assumed' as const },
        },
      ],
    }
  })
}

/** The real operation, over times that are made up. */
export const accuracyOf = (isThere: boolean): AnyOperation => ({
  ...accuracy,
  run: async () => accuracyJson(isThere ? times(Date.now()) : []),
})

/** Runs that the page starts: the search has ended, a recovery is under way. */
export function recoveryRun(id: string): RunView | undefined {
  if (id !== 'run-when' && id !== 'run-recover' && id !== 'run-compare') return undefined
  const ended = id !== 'run-recover'
  const startedAt = new Date(Date.now() - 4000)
  return {
    id,
    pipeline: { 'run-when': 'recover when table', 'run-compare': 'recover table', 'run-recover': 'recover run' }[id],
    state: ended ? 'succeeded' : 'running',
    trigger: 'http',
    businessDate: undefined,
    actor: 'admin',
    createdAt: startedAt,
    startedAt,
    finishedAt: ended ? new Date() : undefined,
    tasks: [
      {
        id: `${id}-task`,
        name: 'operation',
        kind: 'operation',
        needs: [],
        state: ended ? 'succeeded' : 'running',
        attempts: 1,
        startedAt,
        finishedAt: ended ? new Date() : undefined,
        progress: ended ? undefined : { phase: 'fetching', done: 3e8, total: 9e8, unit: 'bytes', leftMs: 6000 },
        result: ended ? (id === 'run-when' ? found : compared) : undefined,
        error: undefined,
      },
    ],
  }
}

/** The run that a request gets: by what it asks for. */
export function recoveryRunFor(request: unknown): string | undefined {
  const asked = JSON.stringify(request)
  if (asked.includes('recover when')) return 'run-when'
  if (asked.includes('"diff":true')) return 'run-compare'
  return asked.includes('recover ') ? 'run-recover' : undefined
}
