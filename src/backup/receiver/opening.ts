// Before the first byte: who is the server, what do the repositories hold, where does receiving go on, and is something missing.
import type { Repository } from '../../repository/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { segmentStart } from '../../wal/segments.ts'
import { parseHistory, spansOf, type TimelineSpan } from '../../wal/timelines.ts'
import type { ReplicationSession, Warehouse } from '../../warehouse/contract.ts'
import type { WalShape } from './chunk-cutter.ts'
import { receiverErrors } from './errors.ts'
import { isStoreTrouble, type Member } from './members.ts'
import { earlier, resumePosition, type WalPosition } from './resume.ts'
import { settleNewest } from './settle.ts'
import type { StoreTarget } from './store-queue.ts'

/** WAL that is lost: the server no longer has it and the repositories do not either. */
export interface WalHole {
  readonly timeline: number
  readonly fromLsn: Lsn
  readonly toLsn: Lsn
}

export interface Opening {
  readonly shape: WalShape
  readonly spans: readonly TimelineSpan[]
  readonly start: WalPosition
  readonly targets: readonly StoreTarget[]
  /** Required repositories whose store cannot be used now, while that of another one can. */
  readonly away: readonly { readonly member: Member; readonly error: unknown }[]
  /** Where the server can go on from, if it no longer has `start`. Undefined where it does not say. */
  readonly slotLsn: Lsn | undefined
}

interface Parts {
  readonly warehouse: Warehouse
  /** The required ones. */
  readonly members: readonly Member[]
  readonly slot: string
  readonly signal: AbortSignal
}

/** Asks the server what its WAL looks like: replication connections cannot. */
export async function shapeOf(warehouse: Warehouse, systemIdentifier: bigint, signal: AbortSignal): Promise<WalShape> {
  await using session = await warehouse.connect({ purpose: 'receive', signal, statementTimeoutMs: 30_000 })
  const [row] = await session.query<{ version: number; segment: number }>(
    `SELECT current_setting('server_version_num')::int AS version,
       (SELECT (setting::bigint * CASE unit WHEN '8kB' THEN 8192 ELSE 1 END)::int FROM pg_settings WHERE name = 'wal_segment_size') AS segment`,
  )
  const version = row!.version
  return {
    systemIdentifier,
    majorVersion: Math.floor(version / 10_000),
    postgresVersion: version,
    segmentBytes: row!.segment,
  }
}

export async function open(session: ReplicationSession, parts: Parts): Promise<Opening> {
  // The slot comes first: it holds WAL from the server's newest redo point, which may be later than an end that was asked for before.
  const slotLsn = await slotPosition(session, parts.slot)
  const identity = await session.identify()
  const shape = await shapeOf(parts.warehouse, identity.systemIdentifier, parts.signal)
  const content = (await session.timelineHistory(identity.timeline)) ?? ''
  const spans = spansOf(identity.timeline, parseHistory(identity.timeline, content))
  const targets: StoreTarget[] = []
  const away: { member: Member; error: unknown }[] = []
  for (const member of parts.members) {
    try {
      const repository = await member.open(parts.signal)
      await putHistories(repository, { session, identity, content, signal: parts.signal })
      await settleNewest(repository, { systemIdentifier: identity.systemIdentifier, signal: parts.signal })
      const ranges = await repository.wal.ranges(identity.systemIdentifier, parts.signal)
      targets.push({ repository, from: resumePosition(ranges, spans, shape.segmentBytes) })
    } catch (error) {
      if (parts.signal.aborted || !isStoreTrouble(error)) throw error
      away.push({ member, error })
    }
  }
  if (targets.length === 0 && away.length > 0) throw away[0]!.error
  const start = startOf(targets, { timeline: identity.timeline, lsn: slotLsn ?? identity.flushLsn }, shape.segmentBytes)
  if (start.timeline === identity.timeline && start.lsn > identity.flushLsn) {
    throw receiverErrors.repositoryAhead({
      warehouse: parts.warehouse.declaration.name,
      repository: formatLsn(start.lsn),
      server: formatLsn(identity.flushLsn),
    })
  }
  return { shape, spans, start, targets, away, slotLsn }
}

/** History files are stored before the first WAL of their timeline. */
async function putHistories(
  repository: Repository,
  of: {
    session: ReplicationSession
    identity: { systemIdentifier: bigint; timeline: number }
    /** That of the server's timeline. */
    content: string
    signal: AbortSignal
  },
): Promise<void> {
  const { session, identity, content, signal } = of
  const steps = parseHistory(identity.timeline, content)
  for (const timeline of [...steps.map((step) => step.timeline), identity.timeline]) {
    if (timeline === 1) continue
    // One that is there is put again: whoever put it may have died before it was durable. The server's own goes first: a timeline of the same number
    // that branched off elsewhere (a second recovery of the same backup) must not go on in the other's WAL.
    const served = timeline === identity.timeline ? content : await session.timelineHistory(timeline)
    const own = served ?? (await repository.wal.history(identity.systemIdentifier, timeline, signal))
    if (own !== undefined) await repository.wal.putHistory(identity.systemIdentifier, timeline, own, signal)
  }
}

/** Where the slot holds WAL from. A slot that was invalidated holds none: it is made anew. */
async function slotPosition(session: ReplicationSession, slot: string): Promise<Lsn | undefined> {
  const { restartLsn } = await session.ensureSlot(slot)
  if (restartLsn !== undefined) return restartLsn
  await session.dropSlot(slot)
  return (await session.ensureSlot(slot)).restartLsn
}

/** The earliest end of all repositories; for an empty one the start of the segment that the server keeps from. */
function startOf(targets: readonly StoreTarget[], server: WalPosition, segmentBytes: number): WalPosition {
  const fresh = { timeline: server.timeline, lsn: segmentStart(server.lsn, segmentBytes) }
  return targets.map((target) => target.from ?? fresh).reduce((one, other) => earlier(one, other))
}
