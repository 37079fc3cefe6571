// The receivers of this process, one per warehouse, shared by whoever needs WAL: the daemon, `wal receive`, a running backup.
import { messageOf } from '../../base/errors.ts'
import { serviceKey, type Context } from '../../base/room.ts'
import { runningControlDatabase } from '../../control/running.ts'
import { repositories } from '../../repository/contract.ts'
import { parseLsn } from '../../wal/lsn.ts'
import { warehouses } from '../../warehouse/contract.ts'
import type { WalStatus } from '../contract.ts'
import { openEvents } from '../events.ts'
import { readMark } from '../guard/mark.ts'
import { submitAfterHole } from '../after-hole.ts'
import { openReachable } from '../reachable.ts'
import { defaultWalPolicy, slotName, spoolFolder, walSection } from '../wal-config.ts'
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
    const mark = readMark(context.home, name)
    if (mark) throw receiverErrors.givenUp({ warehouse: name, since: new Date(mark.sinceMs).toISOString() })
    const policy = context.section(walSection)[name] ?? defaultWalPolicy
    const receiver = new Receiver({
      warehouse,
      members: names.map((one) => ({
        name: one,
        required: !optionalRepositories.includes(one),
        open: (until) => all.open(one, until),
      })),
      slot: slotName(name, policy),
      spool: spoolFolder(name, policy, context.home),
      sealAfterMs: policy.seal_after,
      aliveAfterMs: policy.alive_after,
      clock: context.clock,
      log: context.log,
      alert: async (data) => {
        await openEvents(context, name).emit('backup.alert', data)
        if (data['reason'] === 'wal-hole') await this.backUpBehind(name, data)
      },
      onStatus: (status) => void this.persist(status),
    })
    const stop = new AbortController()
    const entry: Entry = { receiver, stop, users: 0, ended: receiver.run(stop.signal) }
    this.entries.set(name, entry)
    return entry
  }

  /** What the newest backup reaches ends at the hole: the next one is asked for at once, where a control database runs. */
  private async backUpBehind(warehouse: string, hole: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      if (!(await runningControlDatabase(this.context))) return
      const { repositories } = (await this.context.use(warehouses)).get(warehouse).declaration
      const endLsn = parseLsn(String(hole['toLsn']))
      await submitAfterHole(this.context, { warehouse, repository: repositories[0]!, endLsn })
    } catch (error) {
      this.context.log.warn({ warehouse }, `no backup could be asked for behind the hole: ${messageOf(error)}`)
    }
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
