// Repositories whose scheduled check has not happened: damage that nobody looks for is found on the day of the recovery.
import { messageOf } from '../base/errors.ts'
import type { Context, Daemon } from '../base/room.ts'
import { checkSchedules, type CheckSchedule } from '../repository/checking.ts'
import { repositories, type Repository } from '../repository/contract.ts'
import { nextOccurrences } from '../runs/calendar.ts'
import type { OverdueCheck } from './contract.ts'
import { openEvents } from './events.ts'

/** Looking reads one list and one object per repository. */
const EVERY_MS = 60 * 60_000
/** As long as it lasts, it is said again. */
const AGAIN_MS = 24 * 60 * 60_000
/** Enough to see the longest pause of a week or a month. */
const LOOKED_AT = 12

export interface CheckFacts {
  readonly schedule: CheckSchedule
  /** Of the newest check that found nothing wrong; undefined: there was none. Epoch milliseconds, by the store's clock. */
  readonly lastGoodMs: number | undefined
  /** Start of the oldest backup; undefined: there is nothing to check. */
  readonly oldestBackupMs: number | undefined
  readonly nowMs: number
}

/** Pure. Undefined while the last good check, or the oldest backup where there was none, is no older than twice the longest pause of the schedule. */
export function overdueCheck({ schedule, lastGoodMs, oldestBackupMs, nowMs }: CheckFacts): OverdueCheck | undefined {
  const sinceMs = lastGoodMs ?? oldestBackupMs
  if (sinceMs === undefined || oldestBackupMs === undefined) return undefined
  const limitMs = 2 * longestPause(schedule, nowMs)
  if (nowMs - sinceMs <= limitMs) return undefined
  return { repository: schedule.repository, lastGoodMs, ageMs: nowMs - sinceMs, limitMs }
}

function longestPause({ cron, timezone }: CheckSchedule, nowMs: number): number {
  const times = nextOccurrences({ cron, timezone }, new Date(nowMs), LOOKED_AT).map((at) => at.getTime())
  // A schedule that never comes again has no pause: whatever it promised, it is not overdue.
  return Math.max(...times.slice(1).map((at, index) => at - times[index]!), times.length > 1 ? 0 : Infinity)
}

/** Of one repository; undefined where no check is scheduled or none is overdue. */
export async function lookForOverdue(
  repository: Repository,
  context: Context,
  signal: AbortSignal,
): Promise<OverdueCheck | undefined> {
  const schedule = checkSchedules(context).find((one) => one.repository === repository.name)
  if (!schedule) return undefined
  const nowMs = context.clock.now()
  const lastGoodMs = await repository.lastGoodCheck(signal)
  // Backups are listed only where they matter.
  if (lastGoodMs !== undefined && !overdueCheck({ schedule, lastGoodMs, oldestBackupMs: lastGoodMs, nowMs }))
    return undefined
  const [oldest] = await repository.listBackups(signal, { onDamaged: () => {} })
  return overdueCheck({ schedule, lastGoodMs, oldestBackupMs: oldest?.startedMs, nowMs })
}

export const overdueChecksDaemon: Daemon = {
  name: 'overdue checks',
  run: async (context, signal) => {
    const saidMs = new Map<string, number>()
    while (!signal.aborted) {
      await alertOverdue(context, saidMs, signal)
      await context.clock.sleep(EVERY_MS, signal).catch(() => {})
    }
  },
}

/** `saidMs`: repository → when it was said last; kept by the caller. */
export async function alertOverdue(context: Context, saidMs: Map<string, number>, signal: AbortSignal): Promise<void> {
  for (const { repository: name } of checkSchedules(context)) {
    try {
      const found = await lookForOverdue(await (await context.use(repositories)).open(name, signal), context, signal)
      const now = context.clock.now()
      if (!found) saidMs.delete(name)
      if (!found || now - (saidMs.get(name) ?? -Infinity) < AGAIN_MS) continue
      await openEvents(context, name).emit('backup.alert', { reason: 'repository-check-overdue', ...found })
      saidMs.set(name, now)
    } catch (error) {
      if (!signal.aborted) context.log.warn({ repository: name }, `cannot look for overdue checks: ${messageOf(error)}`)
    }
  }
}
