// What `wharf wal push` left in the repositories for an operator becomes an alert as soon as somebody can tell it.
import { messageOf } from '../../base/errors.ts'
import type { Context, Daemon } from '../../base/room.ts'
import { HEALED_BLOCK } from '../../repository/healed.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { openEvents } from '../events.ts'
import { openAll } from './standing.ts'

const EVERY_MS = 30_000

export const noticesDaemon: Daemon = {
  name: 'wal notices',
  run: async (context, signal) => {
    const names = (await context.use(warehouses)).list().filter(({ repositories }) => repositories.length > 0)
    while (!signal.aborted) {
      for (const { name } of names) {
        await passOn(context, name, signal).catch((error: unknown) =>
          context.log.debug({ warehouse: name, reason: messageOf(error) }, 'notices of the repositories were not read'),
        )
      }
      await context.clock.sleep(EVERY_MS, signal).catch(() => {})
    }
  },
}

/** A notice goes when its alert is in the control database; the same notice of several repositories is one alert. */
export async function passOn(context: Context, warehouse: string, signal: AbortSignal): Promise<number> {
  const events = openEvents(context, warehouse)
  const told = new Set<string>()
  const { opened } = await openAll(context, (await context.use(warehouses)).get(warehouse), signal)
  for (const repository of opened) {
    for (const { object, reason, data, atMs } of await repository.notices.list(warehouse, signal)) {
      // Not for people: the next backups read those blocks.
      if (reason === HEALED_BLOCK) continue
      const same = JSON.stringify([reason, data])
      const kept =
        told.has(same) ||
        (await events.attempt(`notice ${reason}`, async (control) => {
          const severity = reason === 'wal-conflict' ? { severity: 'critical' } : {}
          const seen = new Date(atMs).toISOString()
          await control.emit({ kind: 'backup.alert', subject: warehouse, data: { reason, ...severity, ...data, seen } })
          return true
        }))
      if (!kept) return told.size
      told.add(same)
      await repository.notices.remove(object, signal)
    }
  }
  return told.size
}
