// Turns schedules into runs. Any number of processes may do it at once: the unique key (schedule, nominal time) lets one of them win.
import { messageOf } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import { dueOccurrences, occurrencesBetween } from './calendar.ts'
import { scheduleSources, type Schedule } from './contract.ts'
import type { EngineParts } from './parts.ts'
import { checkRequest, insertRun, type Kinds } from './submit.ts'
import { POLL_MS } from './wake.ts'

export function schedulesOf(context: Context): readonly Schedule[] {
  return context.offers(scheduleSources).flatMap((source) => source(context))
}

/** Until the signal aborts. A schedule that fails is logged and does not hold up the others. */
export async function runScheduler(
  parts: EngineParts,
  options: { context: Context; kinds: Kinds; signal: AbortSignal },
): Promise<void> {
  const schedules = schedulesOf(options.context)
  const complaints = new Map<string, string>()
  while (!options.signal.aborted) {
    const { seen } = parts.wake
    for (const schedule of schedules) {
      try {
        await tick(parts, schedule, options.kinds)
        complaints.delete(schedule.id)
      } catch (error) {
        if (complaints.get(schedule.id) !== messageOf(error))
          parts.log.error({ err: error, schedule: schedule.id }, 'a schedule could not be followed')
        complaints.set(schedule.id, messageOf(error))
      }
    }
    const untilWhole = POLL_MS - (parts.clock.now() % POLL_MS)
    await parts.wake.wait({ seen, ms: untilWhole, clock: parts.clock, signal: options.signal })
  }
}

/** Decides everything of one schedule that is due by now. Returns the ids of the runs that this call made. */
export async function tick(parts: EngineParts, schedule: Schedule, kinds: Kinds): Promise<readonly string[]> {
  const now = new Date(parts.clock.now())
  const decidedUntil = await known(parts, schedule, now)
  const due =
    'cron' in schedule.when
      ? occurrencesBetween(schedule.when, { after: decidedUntil, until: now })
      : await successesOf(parts, schedule.when.after, decidedUntil)
  if (due.length === 0) return []
  const made: string[] = []
  for (const nominal of dueOccurrences(due, { now, missed: schedule.missed })) {
    const run = await materialise(parts, { schedule, nominal, kinds })
    if (run !== undefined) made.push(run)
  }
  await parts.control.query('update runs.schedule set decided_until = greatest(decided_until, $2) where id = $1', [
    schedule.id,
    due.at(-1)!.toISOString(),
  ])
  return made
}

/** Up to when occurrences have been decided. A schedule that is new, or whose times changed, begins now: it never fires for the past. */
async function known(parts: EngineParts, schedule: Schedule, now: Date): Promise<Date> {
  const definition = JSON.stringify(schedule.when)
  const found = await parts.control.query<{ definition: string; decided_until: Date }>(
    'select definition, decided_until from runs.schedule where id = $1',
    [schedule.id],
  )
  if (found[0]?.definition === definition) return found[0].decided_until
  await parts.control.query(
    `insert into runs.schedule (id, definition, decided_until) values ($1, $2, $3)
     on conflict (id) do update set definition = excluded.definition, decided_until = excluded.decided_until`,
    [schedule.id, definition, now.toISOString()],
  )
  return now
}

/** When runs of a pipeline succeeded, after `after`; the end of a run is the nominal time of what follows it. */
async function successesOf(parts: EngineParts, pipeline: string, after: Date): Promise<readonly Date[]> {
  const rows = await parts.control.query<{ finished_at: Date }>(
    `select date_trunc('milliseconds', finished_at) as finished_at from runs.run
     where pipeline = $1 and state = 'succeeded' and date_trunc('milliseconds', finished_at) > $2 order by 1 limit 100`,
    [pipeline, after.toISOString()],
  )
  return rows.map((row) => row.finished_at)
}

/** The occurrence and its run appear together or not at all; undefined where another process was first. */
async function materialise(
  parts: EngineParts,
  options: { schedule: Schedule; nominal: Date; kinds: Kinds },
): Promise<string | undefined> {
  const { schedule, nominal } = options
  const request = schedule.request({ nominal })
  checkRequest(request, options.kinds, parts.config.pools)
  return await parts.control.transaction(async (client) => {
    const { rowCount } = await client.query(
      'insert into runs.occurrence (schedule_id, nominal) values ($1, $2) on conflict do nothing',
      [schedule.id, nominal.toISOString()],
    )
    if (rowCount === 0) return undefined
    const { runId } = await insertRun(client, parts, request)
    await client.query('update runs.occurrence set run_id = $3 where schedule_id = $1 and nominal = $2', [
      schedule.id,
      nominal.toISOString(),
      runId,
    ])
    return runId
  })
}
