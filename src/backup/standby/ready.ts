// What must hold before a standby goes into backup mode, and how its backup begins late enough: PostgreSQL starts it at the last restartpoint, and
// restartpoints only follow checkpoints of the primary. So the primary is made to take one, and the standby waited for until it has replayed it.
import type { Clock } from '../../base/clock.ts'
import { isWharfError } from '../../base/errors.ts'
import { formatLsn, parseLsn, type Lsn } from '../../wal/lsn.ts'
import type { ServerFacts, Warehouse } from '../../warehouse/contract.ts'
import type { Report } from '../engine/progress.ts'
import { backupErrors } from '../errors.ts'

const LOOK_EVERY_MS = 250

export interface StandbyReady {
  readonly primary: Warehouse
  readonly standby: Warehouse
  /** A standby that replays nothing for so long is paused, delayed or cut off. */
  readonly waitMs: number
  /** Whether the primary takes its checkpoint at once. */
  readonly fast: boolean
  readonly clock: Clock
  readonly report: Report
  readonly signal: AbortSignal
}

/** Rejects with `backup.other-standby`, `.not-a-standby`, `.full-page-writes-off`, `.standby-behind`. */
export async function readyStandby(facts: ServerFacts, options: StandbyReady): Promise<void> {
  const warehouse = options.primary.declaration.name
  const primary = await options.primary.facts(options.signal)
  if (primary.inRecovery) throw backupErrors.inRecovery({ warehouse })
  if (!facts.inRecovery) throw backupErrors.notAStandby({ warehouse })
  if (primary.systemIdentifier !== facts.systemIdentifier) {
    throw backupErrors.otherStandby({ warehouse, primary: primary.systemIdentifier, standby: facts.systemIdentifier })
  }
  if (!primary.fullPageWrites) throw backupErrors.fullPageWritesOff({ warehouse })
  await waitReplayed(await checkpointPrimary(options), options)
}

/**
 * A position behind the checkpoint's record. As a backup that ends at once: with the rights that we need anyway, where CHECKPOINT would need another
 * one; and its end closes the WAL segment, so that a standby that lives from the archive gets it too.
 */
async function checkpointPrimary({ primary, fast, signal, report }: StandbyReady): Promise<Lsn> {
  report({ phase: 'starting', note: 'checkpoint of the primary' })
  await using session = await primary.connect({ purpose: 'backup checkpoint', signal, statementTimeoutMs: 0 })
  await session.query('select pg_backup_start($1, $2)', ['wharf: checkpoint for a backup of a standby', fast])
  const [row] = await session.query<{ lsn: string }>('select lsn::text as lsn from pg_backup_stop(false)')
  return parseLsn(row!.lsn)
}

async function waitReplayed(until: Lsn, options: StandbyReady): Promise<void> {
  const { standby, clock, report, signal } = options
  await using session = await standby.connect({ purpose: 'backup', signal, statementTimeoutMs: 30_000 })
  let last: Lsn = -1n
  let movedAt = clock.monotonic()
  for (;;) {
    const [row] = await session.query<{ lsn: string | null }>('select pg_last_wal_replay_lsn()::text as lsn')
    const now = row?.lsn ? parseLsn(row.lsn) : 0n
    if (now >= until) return
    if (now !== last) [last, movedAt] = [now, clock.monotonic()]
    if (clock.monotonic() - movedAt > options.waitMs) {
      const at = { warehouse: options.primary.declaration.name, replayed: formatLsn(now), wanted: formatLsn(until) }
      throw backupErrors.standbyBehind({ ...at, seconds: Math.round(options.waitMs / 1000) })
    }
    report({ phase: 'waiting for the standby', note: `replayed ${formatLsn(now)}, wanted ${formatLsn(until)}` })
    await clock.sleep(LOOK_EVERY_MS, signal)
  }
}

/** What PostgreSQL says of a standby in backup mode, in our words; any other error as it is. */
export function explainStandby(error: unknown, warehouse: string): unknown {
  if (!(error instanceof Error) || isWharfError(error)) return error
  if (/full_page_writes=off/.test(error.message)) return backupErrors.fullPageWritesOff({ warehouse }, { cause: error })
  if (/promoted during online backup/.test(error.message)) return backupErrors.promoted({ warehouse }, { cause: error })
  return error
}
