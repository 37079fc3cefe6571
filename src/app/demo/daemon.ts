// The demo at work: fills the warehouse, asks for a first full backup, then drops a "day" of files a minute.
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Context, Daemon } from '../../base/room.ts'
import { isWharfError } from '../../base/errors.ts'
import { MINUTE_MS, SECOND_MS } from '../../base/units.ts'
import { runEngine } from '../../runs/contract.ts'
import { addDays, filesOfDay, tourDay } from './feed.ts'
import { firstLoadedDay } from './history.ts'
import { demoLayout, demoWarehouse, isDemo } from './layout.ts'
import { makeRepository, prepareDemo } from './prepare.ts'

/** Loaded files are known by their ledger entry; older ones need not lie around. */
const KEPT_DAYS = 3

export const demoDaemon: Daemon = {
  name: 'demo',
  run: async (context, signal, { announce }) => {
    if (!(await isDemo(context))) return
    try {
      await makeRepository(context, signal)
      await prepareDemo(context, signal, { announce })
      await firstBackup(context)
      await feedDays(context, signal)
    } catch (error) {
      if (signal.aborted) return
      // After `wharf demo disaster` there is nothing to feed until the recovery.
      if (!isWharfError(error)) throw error
      context.log.warn({ code: error.code }, error.message)
      await context.clock.sleep(MINUTE_MS, signal).catch(() => {})
    }
  },
}

async function firstBackup(context: Context): Promise<void> {
  const engine = await context.use(runEngine)
  await engine.submit({
    pipeline: `backup ${demoWarehouse}`,
    trigger: 'manual',
    actor: 'demo',
    idempotencyKey: 'demo/first-backup',
    tasks: [
      {
        name: 'backup',
        kind: 'backup',
        input: { warehouse: demoWarehouse, kind: 'full' },
        needs: [],
        retries: 5,
        retryDelayMs: 5 * SECOND_MS,
      },
    ],
  })
}

async function feedDays(context: Context, signal: AbortSignal): Promise<void> {
  const { feed } = demoLayout(context.home)
  while (!signal.aborted) {
    const day = await nextDay(feed)
    for (const file of filesOfDay(day, tourDay)) await dropFile(feed, file.name, file.content)
    await removeOld(feed, addDays(day, -KEPT_DAYS))
    await context.clock.sleep(MINUTE_MS, signal).catch(() => {})
  }
}

/** The day after the newest one in the folder. */
async function nextDay(feed: string): Promise<string> {
  const newest = (await daysIn(feed)).at(-1)
  return newest === undefined ? firstLoadedDay : addDays(newest, 1)
}

async function daysIn(feed: string): Promise<string[]> {
  const names = await readdir(feed)
  const days = names.flatMap((name) => /^returns_(\d{4}-\d{2}-\d{2})\.csv$/.exec(name)?.[1] ?? [])
  return days.sort()
}

/** Written under another name first: a loader must never see half a file. */
async function dropFile(feed: string, name: string, content: Buffer): Promise<void> {
  const temporary = join(feed, `.${name}.tmp`)
  await writeFile(temporary, content)
  await rename(temporary, join(feed, name))
}

async function removeOld(feed: string, before: string): Promise<void> {
  for (const name of await readdir(feed)) {
    const day = /_(\d{4}-\d{2}-\d{2})\.csv/.exec(name)?.[1]
    if (day !== undefined && day < before) await rm(join(feed, name), { force: true })
  }
}
