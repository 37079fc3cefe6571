// What the recovery page asks, made up.
import { z } from 'zod'

import { defineOperation } from '../../src/base/operation.ts'
import type { Room } from '../../src/base/room.ts'
import { MINUTE_MS } from '../../src/base/units.ts'
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

const found = {
  relation: 'retail.sales.orders',
  events: [
    {
      kind: 'delete',
      at: iso(Date.now() - 90 * MINUTE_MS),
      lsn: '0/1A2B3C40',
      xid: 81_231,
      rows: { deleted: 412_003, updated: 0, inserted: 0 },
      isAtLeast: false,
      detail: 'of 500 000 rows that the backup had',
      undo: ['--lsn', '0/1A2B3C40'],
    },
    {
      kind: 'update',
      at: iso(Date.now() - 200 * MINUTE_MS),
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

/** Runs that the page starts: the search has ended, a recovery is under way. */
export function recoveryRun(id: string): RunView | undefined {
  if (id !== 'run-when' && id !== 'run-recover') return undefined
  const ended = id === 'run-when'
  const startedAt = new Date(Date.now() - 4000)
  return {
    id,
    pipeline: ended ? 'recover when table' : 'recover run',
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
        result: ended ? found : undefined,
        error: undefined,
      },
    ],
  }
}

/** The run that a request gets: by what it asks for. */
export function recoveryRunFor(request: unknown): string | undefined {
  const asked = JSON.stringify(request)
  if (asked.includes('recover when')) return 'run-when'
  return asked.includes('recover ') ? 'run-recover' : undefined
}
