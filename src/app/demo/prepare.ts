// Fills the demo's warehouse once, and takes its first backup.
import { readFile } from 'node:fs/promises'

import { writeFileDurably } from '../../base/durable.ts'
import { isWharfError } from '../../base/errors.ts'
import type { OperationContext } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { formatDuration, SECOND_MS } from '../../base/units.ts'
import { warehouses, type Session } from '../../warehouse/contract.ts'
import { fillHistory, tourHistory, type HistorySize } from './history.ts'
import { demoFile, demoLayout, demoWarehouse, fileExists } from './layout.ts'

/** Waits for the server, makes the schema and a year of history; a second call does nothing. */
export async function prepareDemo(
  context: Context,
  signal: AbortSignal,
  options: { announce: (line: string) => void; size?: HistorySize },
): Promise<void> {
  const { readyFile } = demoLayout(context.home)
  if (await fileExists(readyFile)) return
  const startedMs = context.clock.monotonic()
  options.announce('demo: filling the warehouse "retail" with a year of history')
  await using first = await connectWhenUp(context, signal)
  await using second = await connectWhenUp(context, signal)
  // What a start that was cut off left behind.
  for (const schema of ['retail', 'stage', 'scratch']) await first.query(`drop schema if exists ${schema} cascade`)
  await first.client.query(await readFile(demoFile('schema.sql'), 'utf8'))
  await fillHistory([first, second], options.size ?? tourHistory, (done, total) =>
    context.log.info({ done, total }, 'demo history'),
  )
  await writeFileDurably(readyFile, '')
  options.announce(`demo: warehouse filled in ${formatDuration(context.clock.monotonic() - startedMs)}`)
}

/** As `wharf repository init main` does it; a repository that is there already is left as it is. */
export async function makeRepository(context: Context, signal: AbortSignal): Promise<void> {
  const init = context.rooms.flatMap((room) => room.operations ?? []).find((one) => one.name === 'repository init')
  const asked: OperationContext = {
    ...context,
    progress: () => {},
    confirm: () => Promise.resolve(true),
    actor: 'demo',
  }
  try {
    await init?.run({ name: 'main' }, asked, signal)
  } catch (error) {
    if (!isWharfError(error, 'repository.already-initialised')) throw error
  }
}

/** The managed server may still be starting. */
export async function connectWhenUp(context: Context, signal: AbortSignal): Promise<Session> {
  const warehouse = (await context.use(warehouses)).get(demoWarehouse)
  for (;;) {
    try {
      return await warehouse.connect({ purpose: 'demo', signal })
    } catch (error) {
      // Until the first start has made it, the database is not there either.
      if (!isWharfError(error) || !(error.passing || error.code === 'warehouse.no-database')) throw error
      await context.clock.sleep(SECOND_MS / 2, signal)
    }
  }
}
