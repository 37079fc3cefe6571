// Receiving WAL, for the rest of the room: while a backup runs, as a daemon, and how it stands.
import { isWharfError, messageOf } from '../base/errors.ts'
import { type Context, type Daemon } from '../base/room.ts'
import type { Repository } from '../repository/contract.ts'
import { parseLsn, type Lsn } from '../wal/lsn.ts'
import { warehouses, type Session } from '../warehouse/contract.ts'
import { DiskGuard } from './guard/guard.ts'
import { awaitArchive, requiredRepositories } from './receiver/archived.ts'
import { receivers, type ReceiverRegistry, type SharedReceiver } from './receiver/registry.ts'
import { defaultWalPolicy, slotName, streams, walSection } from './wal-config.ts'

/** How often the slot is asked about where another process receives. */
const POLL_MS = 250
/** After so many questions to the slot the repository itself is asked. */
const ASK_REPOSITORY_EVERY = 8
/** How long nobody may stream before we receive ourselves. */
const ORPHANED_MS = 3000

/** WAL of a warehouse is being received, here or elsewhere, until this is disposed of. */
export interface ReceivingWal extends AsyncDisposable {
  /** Resolves once all WAL before `lsn` is durable in every required repository, or in the one that was named. Hurries what is in hand. */
  waitDurable(lsn: Lsn, signal: AbortSignal): Promise<void>
  /** The same; the timeline is for the caller's own checks. */
  waitUntilDurable(at: { timeline: number; lsn: Lsn }, signal: AbortSignal): Promise<void>
}

/**
 * Makes sure that WAL is received while the caller needs it: by the receiver of this process, by that of another one, or by one that is
 * started for the purpose.
 */
export async function ensureReceiving(
  context: Context,
  warehouse: string,
  signal: AbortSignal,
  repository?: Repository,
): Promise<ReceivingWal> {
  const policy = context.section(walSection)[warehouse] ?? defaultWalPolicy
  if (!streams(policy)) return await awaitArchive(context, warehouse, signal, repository)
  const registry = await context.use(receivers)
  const needed = new Needed({ context, warehouse, registry, repository })
  await needed.begin(signal)
  return needed
}

class Needed implements ReceivingWal {
  private readonly context: Context
  private readonly warehouse: string
  private readonly registry: ReceiverRegistry
  private readonly slot: string
  private readonly synchronous: boolean
  /** Undefined: all that are required count. */
  private readonly repository: Repository | undefined
  private own: SharedReceiver | undefined

  constructor(parts: {
    context: Context
    warehouse: string
    registry: ReceiverRegistry
    repository: Repository | undefined
  }) {
    const { context, warehouse } = parts
    this.context = context
    this.warehouse = warehouse
    this.registry = parts.registry
    this.repository = parts.repository
    const policy = context.section(walSection)[warehouse] ?? defaultWalPolicy
    this.slot = slotName(warehouse, policy)
    this.synchronous = policy.synchronous
  }

  async begin(signal: AbortSignal): Promise<void> {
    if (this.registry.running(this.warehouse) || !(await this.slotState(signal)).active) await this.receiveHere(signal)
  }

  waitUntilDurable(at: { timeline: number; lsn: Lsn }, signal: AbortSignal): Promise<void> {
    return this.waitDurable(at.lsn, signal)
  }

  async waitDurable(lsn: Lsn, signal: AbortSignal): Promise<void> {
    if (!this.own && (await this.watch(lsn, signal))) return
    await this.own?.receiver.waitDurable(lsn, signal, this.repository?.name)
  }

  /** Another process receives: true once it has stored everything, false when it was gone and we took over. */
  private async watch(lsn: Lsn, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.context
    let activeAt = clock.monotonic()
    await using session = await this.session(signal)
    for (let turn = 0; ; turn++) {
      const { active, durable } = await this.ask(session)
      // A synchronous receiver's slot says what is in its spool: then only the repositories themselves tell.
      if (!this.synchronous && durable !== undefined && durable >= lsn) return true
      // The slot waits for every required repository; the one that was named may be further than another that is away.
      if (turn % ASK_REPOSITORY_EVERY === ASK_REPOSITORY_EVERY - 1 && (await this.holds(lsn, session, signal)))
        return true
      if (active) activeAt = clock.monotonic()
      else if (clock.monotonic() - activeAt > ORPHANED_MS) {
        await this.receiveHere(signal)
        return false
      }
      await clock.sleep(POLL_MS, signal)
    }
  }

  private async holds(lsn: Lsn, session: Session, signal: AbortSignal): Promise<boolean> {
    const repositories = this.repository ? [this.repository] : await this.required(signal)
    if (!repositories) return false
    const [row] = await session.query<{ system: string; timeline: number }>(
      `SELECT s.system_identifier::text AS system, c.timeline_id AS timeline FROM pg_control_system() s, pg_control_checkpoint() c`,
    )
    for (const { wal } of repositories) {
      const ranges = await wal.ranges(BigInt(row!.system), signal)
      const holds = ranges.some(
        (range) => range.timeline === row!.timeline && range.startLsn < lsn && range.endLsn >= lsn,
      )
      if (!holds) return false
    }
    return true
  }

  /** Undefined where their slot tells: they are only asked for a synchronous receiver. */
  private async required(signal: AbortSignal): Promise<readonly Repository[] | undefined> {
    if (!this.synchronous) return undefined
    const warehouse = (await this.context.use(warehouses)).get(this.warehouse)
    return await requiredRepositories(this.context, warehouse, signal)
  }

  private async receiveHere(signal: AbortSignal): Promise<void> {
    this.own = await this.registry.join(this.warehouse, signal)
  }

  private async slotState(signal: AbortSignal): Promise<{ active: boolean; durable: Lsn | undefined }> {
    await using session = await this.session(signal)
    return await this.ask(session)
  }

  private async session(signal: AbortSignal): Promise<Session> {
    const all = await this.context.use(warehouses)
    return await all.get(this.warehouse).connect({ purpose: 'receive', signal, statementTimeoutMs: 30_000 })
  }

  /** The slot's restart position is what its receiver last reported as durable. */
  private async ask(session: Session): Promise<{ active: boolean; durable: Lsn | undefined }> {
    const [row] = await session.query<{ active: boolean; lsn: string | null }>(
      'SELECT active, restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1',
      [this.slot],
    )
    return { active: row?.active ?? false, durable: row?.lsn ? parseLsn(row.lsn) : undefined }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.own?.[Symbol.asyncDispose]()
  }
}

/** Receives the WAL of one warehouse in this process until the signal aborts. */
export async function receiveUntil(context: Context, warehouse: string, signal: AbortSignal): Promise<void> {
  const registry = await context.use(receivers)
  await using shared = await registry.join(warehouse, signal)
  await aborted(signal)
  const durable = shared.receiver.status().map((one) => `${one.repository}: ${one.durableLsn ?? 'nothing'}`)
  context.log.info({ warehouse, durable }, 'receiving ends')
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Longest pause before a warehouse whose receiver could not even be set up is tried again. */
const AGAIN_MS = 15_000

/** One receiver for each warehouse that has repositories. */
export const receiverDaemon: Daemon = {
  name: 'wal receivers',
  run: async (context, signal) => {
    const declared = (await context.use(warehouses)).list()
    const wanted = declared.filter(({ name, repositories }) => {
      const policy = context.section(walSection)[name] ?? defaultWalPolicy
      return repositories.length > 0 && policy.receive && streams(policy)
    })
    await Promise.all(wanted.map(({ name }) => guarded(context, name, signal)))
  },
}

/** Receives while the disk guard lets it. */
async function guarded(context: Context, warehouse: string, signal: AbortSignal): Promise<void> {
  let run: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined
  const start = (): void => {
    const stop = new AbortController()
    run = { stop, ended: keepReceiving(context, warehouse, AbortSignal.any([signal, stop.signal])) }
  }
  const stopReceiving = async (): Promise<void> => {
    run?.stop.abort(new Error('the disk guard gave the slot up'))
    await run?.ended
    run = undefined
  }
  const guard = new DiskGuard({ context, warehouse, stopReceiving, startReceiving: start })
  if (!guard.givenUp) start()
  await guard.run(signal)
  await run?.ended
}

async function keepReceiving(context: Context, warehouse: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await receiveUntil(context, warehouse, signal)
    } catch (error) {
      if (signal.aborted) return
      context.log.error(
        { warehouse, code: isWharfError(error) ? error.code : undefined },
        `receiving cannot start: ${messageOf(error)}`,
      )
      await context.clock.sleep(AGAIN_MS, signal).catch(() => {})
    }
  }
}
