// A hole in the WAL ends what the newest backup can reach: another backup is taken by itself, as soon as somebody sees it.
import { messageOf } from '../base/errors.ts'
import type { Context, Daemon } from '../base/room.ts'
import { parseLsn } from '../wal/lsn.ts'
import { warehouses } from '../warehouse/contract.ts'
import { submitAfterHole } from './after-hole.ts'
import { holesOf, openAll } from './receiver/standing.ts'

/** Looking lists all WAL of a repository: seldom. Whoever makes a hole in this process asks at once. */
const EVERY_MS = 5 * 60_000

export const holesDaemon: Daemon = {
  name: 'backups after holes',
  run: async (context, signal) => {
    const names = (await context.use(warehouses)).list().filter(({ repositories }) => repositories.length > 0)
    while (!signal.aborted) {
      for (const { name } of names) {
        await backUpAfterHoles(context, name, signal).catch((error: unknown) => {
          if (!signal.aborted)
            context.log.warn({ warehouse: name }, `cannot look for holes in WAL: ${messageOf(error)}`)
        })
      }
      await context.clock.sleep(EVERY_MS, signal).catch(() => {})
    }
  },
}

/** Submits a backup for each repository whose newest one has a hole behind it. The key of the run is the hole: seeing it twice makes one run. */
export async function backUpAfterHoles(context: Context, warehouse: string, signal: AbortSignal): Promise<number> {
  const { opened } = await openAll(context, (await context.use(warehouses)).get(warehouse), signal)
  let submitted = 0
  for (const repository of opened) {
    const newest = (await repository.listBackups(signal, { warehouse, onDamaged: () => {} })).at(-1)
    if (!newest) continue
    const ranges = await repository.wal.replayable(newest.systemIdentifier, signal)
    const hole = holesOf(ranges).findLast(
      (one) => one.timeline >= newest.timeline && parseLsn(one.toLsn) > newest.stopLsn,
    )
    if (!hole) continue
    await submitAfterHole(context, { warehouse, repository: repository.name, endLsn: parseLsn(hole.toLsn) })
    submitted++
  }
  return submitted
}
