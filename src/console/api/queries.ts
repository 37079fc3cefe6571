// What the pages ask for, by name. Live events keep these fresh; nothing polls unless it must.
import { queryOptions } from '@tanstack/react-query'

import type { History, Status, Timeline } from '../../assurance/contract.ts'
import type { RunJson, RunLogJson, SessionView } from '../../server/contract.ts'
import { get } from './client.ts'
import type { CommitCounts } from '../timeline/lanes.tsx'
import type { AccuracyJson, BackupJson, BackupLine, DrillLine } from './shapes.ts'

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: ({ signal }) => get<SessionView>('/api/session', {}, signal),
  staleTime: 60_000,
  retry: false,
})

export const statusQuery = queryOptions({
  queryKey: ['status'],
  queryFn: ({ signal }) => get<Status>('/api/status', {}, signal),
  staleTime: 15_000,
})

/** `since` as durations are written: `24h`. */
export const timelineQuery = (warehouse: string, since: string) =>
  queryOptions({
    queryKey: ['timeline', warehouse, since],
    queryFn: ({ signal }) => get<Timeline>('/api/timeline', { warehouse, since }, signal),
    staleTime: 10_000,
    refetchInterval: 30_000,
  })

export const historyQuery = (warehouse: string, since: string, points = 120) =>
  queryOptions({
    queryKey: ['history', warehouse, since, points],
    queryFn: ({ signal }) => get<History>('/api/history', { warehouse, since, points }, signal),
    staleTime: 10_000,
    refetchInterval: 15_000,
  })

export const runsQuery = (limit: number) =>
  queryOptions({
    queryKey: ['runs', limit],
    queryFn: async ({ signal }) => (await get<{ runs: readonly RunJson[] }>('/api/run/list', { limit }, signal)).runs,
    staleTime: 5000,
    refetchInterval: (query) => (query.state.data?.some(isActive) ? 2000 : 15_000),
  })

export const runQuery = (run: string) =>
  queryOptions({
    queryKey: ['run', run],
    queryFn: ({ signal }) => get<RunJson>('/api/run/show', { run }, signal),
    // Progress is written without an event: while a run is under way it is asked for.
    refetchInterval: (query) => (query.state.data && isActive(query.state.data) ? 1000 : false),
  })

export const runLogQuery = (run: string, active: boolean) =>
  queryOptions({
    queryKey: ['run-log', run],
    queryFn: ({ signal }) => get<RunLogJson>('/api/run/log', { run }, signal),
    refetchInterval: active ? 1500 : false,
  })

export function isActive(run: { readonly state: string }): boolean {
  return run.state === 'running' || run.state === 'queued'
}

export const backupsQuery = queryOptions({
  queryKey: ['backup', 'list'],
  queryFn: async ({ signal }) =>
    (await get<{ backups: readonly BackupLine[] }>('/api/backup/list', {}, signal)).backups.toReversed(),
  staleTime: 10_000,
  refetchInterval: 30_000,
})

export const backupQuery = (id: string) =>
  queryOptions({
    queryKey: ['backup', 'show', id],
    queryFn: ({ signal }) => get<BackupJson>('/api/backup/show', { id }, signal),
    // A backup never changes.
    staleTime: Infinity,
  })

/** What the server says about one warehouse: `warehouse show`. */
export const warehouseQuery = (name: string) =>
  queryOptions({
    queryKey: ['warehouse', name],
    queryFn: ({ signal }) => get<Readonly<Record<string, unknown>>>('/api/warehouse/show', { name }, signal),
    staleTime: 30_000,
    retry: false,
  })

/** Commits per stretch of time. A long time is looked through in several answers: until then it is asked for again. */
export const commitsQuery = (warehouse: string, since: string) =>
  queryOptions({
    queryKey: ['commits', warehouse, since],
    queryFn: ({ signal }) => get<CommitCounts>('/api/recover/commits', { warehouse, since, buckets: 120 }, signal),
    staleTime: 10_000,
    retry: false,
    refetchInterval: (query) => (query.state.data && isUnread(query.state.data) ? 3000 : 30_000),
  })

function isUnread({ completeFrom, from }: CommitCounts): boolean {
  return Date.parse(completeFrom) > Date.parse(from)
}

export const drillsQuery = (warehouse: string) =>
  queryOptions({
    queryKey: ['drills', warehouse],
    queryFn: async ({ signal }) =>
      (await get<{ drills: readonly DrillLine[] }>('/api/drill/list', { warehouse }, signal)).drills,
    staleTime: 30_000,
    retry: false,
  })

/** Predicted against measured recovery times. */
export const accuracyQuery = (warehouse: string) =>
  queryOptions({
    queryKey: ['accuracy', warehouse],
    queryFn: ({ signal }) => get<AccuracyJson>('/api/recover/accuracy', { warehouse }, signal),
    staleTime: 30_000,
  })
