// What a recovery of tables is asked for, and what all its phases share: the sessions, the times, what is said at the end.
import { availableParallelism } from 'node:os'

import { isWharfError } from '../../base/errors.ts'
import type { OperationContext } from '../../base/operation.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'
import type { StepName, StepTime } from '../rates/times.ts'
import type { RepositoryChoice } from '../restore/open-repository.ts'
import type { SandboxRequest } from '../sandbox/sandbox.ts'
import { tableErrors as errors } from '../table-errors.ts'
import type { TargetOptions } from '../target/request.ts'
import type { TableDefinition } from './definition.ts'
import type { Coming } from './keys.ts'
import type { LiveRelation } from './live.ts'
import { nameWith, parseTableName, type TableName } from './names.ts'
import { plainSession } from './session-settings.ts'

export interface TablesRequest extends TargetOptions, RepositoryChoice {
  readonly tables: readonly string[]
  readonly database?: string | undefined
  /** Another name for the one table that is left beside. */
  readonly as?: string | undefined
  readonly mode: 'beside' | 'swap' | 'merge'
  /** Only compare, and leave nothing. */
  readonly diff: boolean
  /** False: leave beside without comparing. */
  readonly compare: boolean
  readonly timeline?: number | undefined
  /** Found already, and kept open by who found it. */
  readonly found?: SandboxRequest['found']
  readonly binaries?: string | undefined
  readonly owner?: string | undefined
  readonly sandboxDirectory?: string | undefined
  readonly workers?: number | undefined
  readonly allowCorrupt?: boolean | undefined
}

export type How = Coming | 'merge' | 'compare'

/** A table that was asked for, with what stands in its place now. */
export interface Root {
  readonly definition: TableDefinition
  readonly live: LiveRelation | undefined
  readonly how: How
}

export const BESIDE = '_recovered'
/** Nobody waits longer behind us, nor we behind them. */
const LOCK_TIMEOUT_MS = 60_000

/** One recovery under way. */
export interface Work {
  readonly request: TablesRequest
  readonly names: readonly TableName[]
  readonly warehouse: Warehouse
  readonly context: OperationContext
  readonly signal: AbortSignal
  /** Of everything that it makes on the live server. */
  readonly id: string
  readonly database: string
  /** How many work at once. */
  readonly workers: number
  readonly steps: StepTime[]
  readonly notes: string[]
}

export function workersOf(request: Pick<TablesRequest, 'workers'>): number {
  return request.workers ?? Math.min(availableParallelism(), 4)
}

export async function connectLive(
  warehouse: Warehouse,
  database: string | undefined,
  signal: AbortSignal,
): Promise<Session> {
  const connecting = warehouse.connect({
    purpose: 'recover table',
    ...(database === undefined ? {} : { database }),
    signal,
    statementTimeoutMs: 0,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  })
  const session = await connecting.catch((error: unknown) => {
    if (database === undefined || !isWharfError(error, 'warehouse.no-database')) throw error
    throw errors.noLiveDatabase({ database }, { cause: error })
  })
  await session.query(
    `${plainSession}; set default_transaction_read_only = off; set default_tablespace = ''; set default_table_access_method = heap;
     set idle_in_transaction_session_timeout = 0; set idle_session_timeout = 0`,
  )
  return session
}

/** The last transaction makes everything before it durable. */
export async function openWriter(work: Pick<Work, 'warehouse' | 'database' | 'signal'>): Promise<Session> {
  const session = await connectLive(work.warehouse, work.database, work.signal)
  await session.query('set synchronous_commit = off')
  return session
}

export function addStep(
  work: Pick<Work, 'context' | 'steps'>,
  step: StepName,
  of: { started: number; bytes: number; count?: number },
): void {
  const ms = work.context.clock.monotonic() - of.started
  work.steps.push({ step, bytes: of.bytes, ms, ...(of.count === undefined ? {} : { count: of.count }) })
}

export function besideName(
  request: Pick<TablesRequest, 'as'>,
  of: { schema: string; name: string },
): { schema: string; name: string } {
  if (request.as === undefined) return { schema: of.schema, name: nameWith(of.name, BESIDE) }
  const { schema, name } = parseTableName(request.as)
  return { schema: schema ?? of.schema, name }
}

/** What the live table is called when another one is in its place. */
export function keptEnding(work: Pick<Work, 'id'>): string {
  return `_before_${work.id}`
}
