// The receivers of this process, one per warehouse, shared by whoever needs WAL: the daemon, `wal receive`, a running backup.
import { messageOf } from '../../base/errors.ts'
import { serviceKey, type Context } from '../../base/room.ts'
import { runningControlDatabase } from '../../control/running.ts'
import { repositories } from '../../repository/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'
import type { WalStatus } from '../contract.ts'
import { openEvents } from '../events.ts'
import { openReachable } from '../reachable.ts'
import { defaultWalPolicy, slotName, walSection } from '../wal-config.ts'
import { receiverErrors } from './errors.ts'
import { Receiver } from './receiver.ts'

/** A receiver that runs until everybody who asked for it has let go. */
export interface SharedReceiver extends AsyncDisposable {
  readonly receiver: Receiver
}

interface Entry {
  readonly receiver: Receiver
  readonly ended: Promise<void>
  readonly stop: AbortController
  users: number
}

export class ReceiverRegistry {
  private readonly context: Context
  private readonly entries = new Map<string, Entry>()
  private readonly starting = new Map<string, Promise<Entry>>()

  constructor(context: Context) {
    this.context = context
  }

  /** The receiver of the warehouse in this process, if one runs. */
  running(warehouse: string): Receiver | undefined {
    return this.entries.get(warehouse)?.receiver
  }

  /** Starts the receiver, or joins the one that runs. */
  async join(warehouse: string, signal: AbortSignal): Promise<SharedReceiver> {
    const entry = this.entries.get(warehouse) ?? (await this.start(warehouse, signal))
    entry.users++
    let left = false
    return {
      receiver: entry.receiver,
      [Symbol.asyncDispose]: async () => {
        if (left) return
        left = true
        if (--entry.users > 0) return
        this.entries.delete(warehouse)
        entry.stop.abort(new Error('nobody needs the receiver any more'))
        await entry.ended
      },
    }
  }

  private start(warehouse: string, signal: AbortSignal): Promise<Entry> {
    const known = this.starting.get(warehouse)
    if (known) return known
    const made = this.make(warehouse, signal).finally(() => this.starting.delete(warehouse))
    this.starting.set(warehouse, made)
    return made
  }

  private async make(name: string, signal: AbortSignal): Promise<Entry> {
    const { context } = this
    const warehouse = (await context.use(warehouses)).get(name)
    const all = await context.use(repositories)
    const { repositories: names, optionalRepositories } = warehouse.declaration
    if (names.length === 0) throw receiverErrors.notReceiving({ warehouse: name })
    // A wrong key or a name that nobody declared is told at once, where no other repository serves.
    await openReachable(all, names, signal)
    const policy = context.section(walSection)[name] ?? defaultWalPolicy
    const receiver = new Receiver({
      warehouse,
      members: names.map((one) => ({
        name: one,
        required: !optionalRepositories.includes(one),
        open: (until) => all.open(one, until),
      })),
      slot: slotName(name, policy),
      sealAfterMs: policy.seal_after,
      aliveAfterMs: policy.alive_after,
      clock: context.clock,
      log: context.log,
      alert: (data) => openEvents(context, name).emit('backup.alert', data),
      onStatus: (status) => void this.persist(status),
    })
    const stop = new AbortController()
    const entry: Entry = { receiver, stop, users: 0, ended: receiver.run(stop.signal) }
    this.entries.set(name, entry)
    return entry
  }

  private persisting = false
  /** Best effort, one at a time: the next one comes within a second. */
  private async persist(status: readonly WalStatus[]): Promise<void> {
    if (this.persisting) return
    this.persisting = true
    try {
      const control = await runningControlDatabase(this.context)
      if (!control) return
      for (const one of status) {
        await control.query(
          `INSERT INTO backup.wal_position (warehouse, repository, status) VALUES ($1, $2, $3)
           ON CONFLICT (warehouse, repository) DO UPDATE SET status = excluded.status, at = clock_timestamp()`,
          [one.warehouse, one.repository, JSON.stringify(one)],
        )
      }
    } catch (error) {
      this.context.log.debug(
        { reason: messageOf(error) },
        'position of WAL receiving is not kept in the control database',
      )
    } finally {
      this.persisting = false
    }
  }
}

export const receivers = serviceKey<ReceiverRegistry>('wal receivers')
