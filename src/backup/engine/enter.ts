// How a backup enters a server: loads that are not logged are kept out, a standby is made ready, a snapshot is taken and the server left at once.
import { enterBackup, holdInterlock, type HeldInterlock } from '../../warehouse/interlock.ts'
import type { ServerFacts, Session, Warehouse } from '../../warehouse/contract.ts'
import type { HeldBackup } from '../server/held-backup.ts'
import type { SnapshotSource } from '../snapshot/snapshot.ts'
import { readyStandby } from '../standby/ready.ts'
import type { TakeOptions } from './options.ts'
import { needTiersFirst, readTiers, type ReadTiers } from './tiering.ts'

export interface StandbySource {
  readonly server: Warehouse
  /** How long it may replay nothing before the backup gives up. */
  readonly waitMs: number
}

/** P6: no backup overlaps a load that is not logged. */
export async function keepUnloggedLoadsOut(session: Session, options: TakeOptions): Promise<void> {
  await enterBackup(session, { warehouse: options.warehouse.declaration.name, ...waiting(options) })
}

function waiting({ clock, signal, report, unloggedWaitMs }: TakeOptions) {
  const onWait = (holders: readonly string[]): void =>
    report({ phase: 'waiting for unlogged loads', note: holders.join(', ') })
  return { clock, signal, waitMs: unloggedWaitMs, onWait }
}

/** The interlock is the primary's: its advisory locks are not the standby's. */
export async function beginStandby(
  facts: ServerFacts,
  { server: standby, waitMs }: StandbySource,
  options: TakeOptions,
  scope: AsyncDisposableStack,
): Promise<HeldInterlock> {
  const { warehouse: primary, fastCheckpoint: fast, clock, report, signal } = options
  const interlock = await holdInterlock(primary, enterBackup, { label: 'backup of the standby', ...waiting(options) })
  scope.use(interlock)
  await readyStandby(facts, { primary, standby, waitMs, fast, clock, report, signal })
  return interlock
}

/** Label and catalog of a backup that has ended before its files are read. */
export interface Early {
  readonly stop: Awaited<ReturnType<HeldBackup['stop']>>
  readonly tiers: ReadTiers | undefined
}

/** The server is in backup mode only for as long as the snapshot takes. What is scratch is asked behind it: a second look is not needed then. */
export async function takeSnapshot(snapshot: SnapshotSource, held: HeldBackup, options: TakeOptions): Promise<Early> {
  const { warehouse, tiers: rules = [], report, signal } = options
  report({ phase: 'taking the snapshot' })
  await snapshot.take(signal)
  const tiers = needTiersFirst(rules) ? await readTiers(warehouse, rules, signal) : undefined
  const stop = await held.stop()
  await held[Symbol.asyncDispose]()
  report({ phase: 'mounting the snapshot' })
  await snapshot.mount(signal)
  return { stop, tiers }
}
