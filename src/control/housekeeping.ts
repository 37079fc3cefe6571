// Forgets events that are older than the configuration wants.
import { messageOf } from '../base/errors.ts'
import type { Context, Daemon } from '../base/room.ts'
import { HOUR_MS } from '../base/units.ts'
import { controlSection } from './config.ts'
import { controlDatabase } from './contract.ts'

const batch = 10_000

export const housekeeping: Daemon = {
  name: 'control housekeeping',
  run: async (context, signal) => {
    while (!signal.aborted) {
      await forget(context, signal).catch((error: unknown) =>
        context.log.warn({ reason: messageOf(error) }, 'old events could not be removed'),
      )
      await context.clock.sleep(HOUR_MS, signal).catch(() => {})
    }
  },
}

/** In small bites, so that no transaction is long. */
async function forget(context: Context, signal: AbortSignal): Promise<void> {
  const database = await context.use(controlDatabase)
  const { keep_events: keepMs } = context.section(controlSection)
  for (let removed = batch; removed === batch && !signal.aborted;) {
    const rows = await database.query(
      `delete from control.event where id in (
         select id from control.event where at < clock_timestamp() - $1 * interval '1 millisecond' order by id limit ${batch}
       ) returning id`,
      [keepMs],
    )
    removed = rows.length
  }
}
