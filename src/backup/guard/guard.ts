// The disk guard of one warehouse: looks at the free space under pg_wal, gives our slot up below the floor, takes it again when there is space.
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'

import { messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { formatSize } from '../../base/units.ts'
import { warehouses, type Warehouse } from '../../warehouse/contract.ts'
import { openEvents } from '../events.ts'
import { defaultWalPolicy, slotName, walSection, type WalPolicy } from '../wal-config.ts'
import { readMark, removeMark, writeMark } from './mark.ts'
import { guardLimits, guardStep, nextWait, type GuardState } from './state.ts'

const EVERY_MS = 5000
const FIRST_WAIT_MS = 60_000
/** Without trouble for this long the next wait is the first again. */
const FORGET_MS = 6 * 3_600_000

export interface Space {
  readonly freeBytes: number
  readonly totalBytes: number
}

export interface GuardParts {
  readonly context: Context
  readonly warehouse: string
  /** Ends receiving in this process, and begins it again. */
  readonly stopReceiving: () => Promise<void>
  readonly startReceiving: () => void
  /** Undefined where the file system of pg_wal cannot be seen from here. */
  readonly space?: (warehouse: Warehouse, signal: AbortSignal) => Promise<Space | undefined>
  readonly firstWaitMs?: number
}

export class DiskGuard {
  private readonly parts: GuardParts
  private readonly policy: WalPolicy
  private state: GuardState
  private waitMs: number
  private resumedAt: number | undefined

  constructor(parts: GuardParts) {
    this.parts = parts
    this.policy = parts.context.section(walSection)[parts.warehouse] ?? defaultWalPolicy
    this.waitMs = parts.firstWaitMs ?? FIRST_WAIT_MS
    const mark = readMark(parts.context.home, parts.warehouse)
    this.state = mark ? { state: 'given up', calmSince: undefined, waitMs: mark.waitMs } : { state: 'receiving' }
    if (mark) this.waitMs = mark.waitMs
  }

  get givenUp(): boolean {
    return this.state.state === 'given up'
  }

  /** Looks until the signal aborts. A server that cannot be asked is left alone. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.parts.context
    while (!signal.aborted) {
      await this.look(signal).catch((error: unknown) => {
        if (!signal.aborted)
          log.debug({ warehouse: this.parts.warehouse, reason: messageOf(error) }, 'the disk guard cannot look')
      })
      await clock.sleep(EVERY_MS, signal).catch(() => {})
    }
  }

  async look(signal: AbortSignal): Promise<void> {
    const { context } = this.parts
    const warehouse = (await context.use(warehouses)).get(this.parts.warehouse)
    const space = await (this.parts.space ?? spaceOfWal)(warehouse, signal)
    if (!space) return
    const now = context.clock.monotonic()
    if (this.resumedAt !== undefined && now - this.resumedAt > FORGET_MS)
      this.waitMs = this.parts.firstWaitMs ?? FIRST_WAIT_MS
    const limits = guardLimits(space.totalBytes, this.policy.guard.free_floor)
    const held = this.givenUp ? { heldBytes: 0 } : await this.held(warehouse, signal)
    const step = guardStep(this.state, { now, freeBytes: space.freeBytes, ...held }, { limits, waitMs: this.waitMs })
    if (step.action === 'give up') await this.giveUp(warehouse, { space, signal })
    if (step.action === 'resume') await this.resume(space)
    this.state = step.next
  }

  private async held(warehouse: Warehouse, signal: AbortSignal): Promise<{ heldBytes: number; keptUpTo?: string }> {
    await using session = await warehouse.connect({ purpose: 'guard', signal, statementTimeoutMs: 10_000 })
    const [row] = await session.query<{ held: string; lsn: string }>(
      'SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text AS held, restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1 AND restart_lsn IS NOT NULL AND NOT pg_is_in_recovery()',
      [this.slot],
    )
    return row ? { heldBytes: Number(row.held), keptUpTo: row.lsn } : { heldBytes: 0 }
  }

  /** The mark first: whoever dies behind it leaves no slot that fills the disk, at worst one that is taken away at the next look. */
  private async giveUp(warehouse: Warehouse, of: { space: Space; signal: AbortSignal }): Promise<void> {
    const { context, warehouse: name } = this.parts
    const { heldBytes, keptUpTo } = await this.held(warehouse, of.signal)
    await writeMark(context.home, name, { sinceMs: context.clock.now(), fromLsn: keptUpTo, waitMs: this.waitMs })
    await this.parts.stopReceiving()
    await this.dropSlot(warehouse, of.signal)
    const free = formatSize(of.space.freeBytes)
    context.log.error({ warehouse: name, keptUpTo, heldBytes }, `${free} are free for WAL: the slot is given up`)
    await openEvents(context, name).emit('backup.alert', {
      reason: 'slot-given-up',
      severity: 'critical',
      freeBytes: of.space.freeBytes,
      heldBytes,
      fromLsn: keptUpTo,
      message: `only ${free} are free for WAL on the server: the slot ${this.slot} is given up, WAL from ${keptUpTo ?? 'now'} on may be lost`,
    })
  }

  private async dropSlot(warehouse: Warehouse, signal: AbortSignal): Promise<void> {
    await using session = await warehouse.connect({ purpose: 'guard', signal, statementTimeoutMs: 10_000 })
    for (let tries = 0; ; tries++) {
      const rows = await session.query(
        'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL',
        [this.slot],
      )
      if (rows.length > 0) await this.parts.context.clock.sleep(100, signal)
      try {
        await session.query(
          'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
          [this.slot],
        )
        return
      } catch (error) {
        if (tries > 50) throw error
      }
    }
  }

  private async resume(space: Space): Promise<void> {
    const { context, warehouse: name } = this.parts
    this.waitMs = nextWait(this.waitMs)
    this.resumedAt = context.clock.monotonic()
    await removeMark(context.home, name)
    context.log.warn({ warehouse: name, freeBytes: space.freeBytes }, 'there is space for WAL again: receiving begins')
    await openEvents(context, name).emit('backup.alert', { reason: 'slot-resumed', freeBytes: space.freeBytes })
    this.parts.startReceiving()
  }

  private get slot(): string {
    return slotName(this.parts.warehouse, this.policy)
  }
}

/** pg_wal of a server on this host, wherever it is mounted. */
export async function spaceOfWal(warehouse: Warehouse, signal: AbortSignal): Promise<Space | undefined> {
  const { dataDirectory } = await warehouse.facts(signal)
  try {
    const found = await statfs(join(dataDirectory, 'pg_wal'))
    return { freeBytes: found.bavail * found.bsize, totalBytes: found.blocks * found.bsize }
  } catch {
    return undefined
  }
}
