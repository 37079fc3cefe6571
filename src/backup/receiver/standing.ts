// How receiving stands, seen from a process that does not receive itself: the server's slot, the repositories, and what the receiver last said.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { runningControlDatabase } from '../../control/running.ts'
import { repositories, type Repository, type WalRange } from '../../repository/contract.ts'
import { formatLsn, parseLsn, type Lsn } from '../../wal/lsn.ts'
import { warehouses, type Warehouse } from '../../warehouse/contract.ts'
import type { WalStatus } from '../contract.ts'
import { openReachable, type Reachable } from '../reachable.ts'
import { defaultWalPolicy, slotName, walSection } from '../wal-config.ts'
import { receivers } from './registry.ts'

/** A row older than this tells nothing of now. */
const FRESH_MS = 30_000

export interface Hole {
  readonly timeline: number
  readonly fromLsn: string
  readonly toLsn: string
  /** The WAL is there, but no replay goes past it: the server went to wal_level = minimal. */
  readonly minimal?: true | undefined
}

/** One element per repository of the warehouse. */
export async function walStatusOf(context: Context, name: string, signal: AbortSignal): Promise<readonly WalStatus[]> {
  const running = (await context.use(receivers)).running(name)
  if (running) return running.status()
  const warehouse = (await context.use(warehouses)).get(name)
  const { opened, away } = await openAll(context, warehouse, signal)
  const server = await askServer(context, warehouse, signal)
  const said = 'slotActive' in server && server.slotActive ? await lastSaid(context, name) : []
  const { optionalRepositories } = warehouse.declaration
  const seenNow = await Promise.all(
    opened.map(async (repository) => {
      const row = said.find((one) => one.repository === repository.name)
      return row ?? (await seen(repository, { warehouse: name, server, signal }))
    }),
  )
  const missing = away.map((one) => unseen(one.name, { warehouse: name, error: describe(one.error) }))
  return [...seenNow, ...missing].map((one) => ({ ...one, required: !optionalRepositories.includes(one.repository) }))
}

export async function openAll(context: Context, warehouse: Warehouse, signal: AbortSignal): Promise<Reachable> {
  return await openReachable(await context.use(repositories), warehouse.declaration.repositories, signal)
}

type Server =
  | {
      readonly systemIdentifier: bigint
      readonly timeline: number
      readonly flushLsn: Lsn
      readonly slotActive: boolean
    }
  | { readonly error: NonNullable<WalStatus['error']> }

async function askServer(context: Context, warehouse: Warehouse, signal: AbortSignal): Promise<Server> {
  const { name } = warehouse.declaration
  const slot = slotName(name, context.section(walSection)[name] ?? defaultWalPolicy)
  try {
    await using session = await warehouse.connectReplication({ purpose: 'status', signal })
    const identity = await session.identify()
    await using queries = await warehouse.connect({ purpose: 'status', signal, statementTimeoutMs: 10_000 })
    const [row] = await queries.query<{ active: boolean }>(
      'SELECT active FROM pg_replication_slots WHERE slot_name = $1',
      [slot],
    )
    return { ...identity, slotActive: row?.active ?? false }
  } catch (error) {
    if (signal.aborted) throw error
    return { error: describe(error) }
  }
}

function describe(error: unknown): NonNullable<WalStatus['error']> {
  const hint = isWharfError(error) ? error.hint : undefined
  const code = isWharfError(error) ? error.code : 'backup.defect'
  return { code, message: messageOf(error), ...(hint === undefined ? {} : { hint }) }
}

/** What the process that receives wrote into the control database within the last seconds. */
async function lastSaid(context: Context, warehouse: string): Promise<readonly WalStatus[]> {
  try {
    const control = await runningControlDatabase(context)
    if (!control) return []
    const rows = await control.query<{ status: WalStatus; at: Date }>(
      'SELECT status, at FROM backup.wal_position WHERE warehouse = $1',
      [warehouse],
    )
    return rows.filter((row) => context.clock.now() - row.at.getTime() < FRESH_MS).map((row) => row.status)
  } catch {
    return []
  }
}

async function seen(
  repository: Repository,
  of: { warehouse: string; server: Server; signal: AbortSignal },
): Promise<WalStatus> {
  const { server } = of
  if ('error' in server) return unseen(repository.name, { warehouse: of.warehouse, error: server.error })
  const known = { warehouse: of.warehouse, repository: repository.name, lagMs: undefined, lastMessageAt: undefined }
  const ranges = await repository.wal.ranges(server.systemIdentifier, of.signal)
  const end = ranges.filter((range) => range.timeline === server.timeline).at(-1)?.endLsn
  return {
    ...known,
    state: server.slotActive ? 'streaming' : 'stopped',
    timeline: server.timeline,
    durableLsn: end === undefined ? undefined : formatLsn(end),
    serverLsn: formatLsn(server.flushLsn),
    lagBytes: end === undefined ? undefined : Math.max(0, Number(server.flushLsn - end)),
    ...(end !== undefined && end >= server.flushLsn ? { lagMs: 0 } : {}),
    error: undefined,
  }
}

/** Of whom nothing is known but why. */
function unseen(repository: string, of: { warehouse: string; error: NonNullable<WalStatus['error']> }): WalStatus {
  return {
    warehouse: of.warehouse,
    repository,
    lagMs: undefined,
    lastMessageAt: undefined,
    state: 'failing',
    timeline: undefined,
    durableLsn: undefined,
    serverLsn: undefined,
    lagBytes: undefined,
    error: of.error,
  }
}

/** Stretches between two ranges of one timeline that nobody has. */
export function holesOf(ranges: readonly WalRange[]): readonly Hole[] {
  const holes: Hole[] = []
  for (const [at, range] of ranges.entries()) {
    const before = ranges[at - 1]
    if (before?.timeline !== range.timeline || before.endLsn >= range.startLsn) continue
    const minimal = before.stopped === undefined ? {} : { minimal: true as const }
    const [fromLsn, toLsn] = [formatLsn(before.endLsn), formatLsn(range.startLsn)]
    holes.push({ timeline: range.timeline, fromLsn, toLsn, ...minimal })
  }
  return holes
}

export function holeBytes(hole: Hole): bigint {
  return parseLsn(hole.toLsn) - parseLsn(hole.fromLsn)
}
