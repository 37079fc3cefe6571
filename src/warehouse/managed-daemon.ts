// Keeps the servers of managed warehouses running while `wharf up` runs, and stops them last.
import { access } from 'node:fs/promises'
import { join } from 'node:path'

import type { Context, Daemon, DaemonTools } from '../base/room.ts'
import { SECOND_MS } from '../base/units.ts'
import { warehousesSection } from './config.ts'
import { warehouses } from './contract.ts'
import { managedLayout } from './declared.ts'
import { managedDataIsGone, startManaged, stopManaged } from './managed.ts'
import { serverRuns } from './servers.ts'

const LOOK_EVERY_MS = 2 * SECOND_MS
/** Other daemons drain at the same time and still need the server: it goes when their sessions have gone, at most after this. */
const WAIT_FOR_OTHERS_MS = 25 * SECOND_MS

export const managedServers: Daemon = {
  name: 'managed servers',
  run: async (context, signal, tools) => {
    const names = Object.entries(context.section(warehousesSection))
      .filter(([, entry]) => entry.managed)
      .map(([name]) => name)
    await Promise.all(names.map((name) => keepUp(name, context, { signal, tools })))
  },
}

interface Watch {
  readonly signal: AbortSignal
  readonly tools: DaemonTools
}

async function keepUp(name: string, context: Context, { signal, tools }: Watch): Promise<void> {
  const { dataDirectory } = managedLayout(context.home, name)
  let missed = false
  while (!signal.aborted) {
    const gone = await managedDataIsGone(name, context)
    if (gone && !missed)
      tools.announce(`warehouse ${name}: its data directory is gone; bring it back with wharf recover`)
    missed = gone
    if (!gone && !(await isBeingRecovered(dataDirectory)) && !(await serverRuns(dataDirectory))) {
      const server = await startManaged(name, context, signal)
      context.log.info({ warehouse: name, port: server.port, pid: server.pid }, 'managed warehouse runs')
    }
    await context.clock.sleep(LOOK_EVERY_MS, signal).catch(() => {})
  }
  await othersGone(name, context, tools.hurry)
  await stopManaged(name, context, { mode: 'fast', signal: new AbortController().signal })
}

/** A recovery lays its marker into the directory until it is done: its server is not ours to start. */
async function isBeingRecovered(dataDirectory: string): Promise<boolean> {
  return await access(join(dataDirectory, 'recovery.signal')).then(
    () => true,
    () => false,
  )
}

async function othersGone(name: string, context: Context, hurry: AbortSignal): Promise<void> {
  const until = context.clock.monotonic() + WAIT_FOR_OTHERS_MS
  while (!hurry.aborted && context.clock.monotonic() < until) {
    if ((await ourSessions(name, context, hurry)) === 0) return
    await context.clock.sleep(SECOND_MS / 4, hurry).catch(() => {})
  }
}

/** Sessions of wharf at the server besides this one; 0 where it cannot be asked. */
async function ourSessions(name: string, context: Context, signal: AbortSignal): Promise<number> {
  try {
    const servers = await context.use(warehouses)
    await using session = await servers
      .get(name)
      .connect({ purpose: 'shutdown', signal, statementTimeoutMs: SECOND_MS })
    const [row] = await session.query<{ count: string }>(
      `select count(*) from pg_stat_activity where application_name like 'wharf %' and pid <> pg_backend_pid()`,
    )
    return Number(row?.count ?? 0)
  } catch {
    return 0
  }
}
