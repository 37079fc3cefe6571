// Where sandboxes of this home lie, and getting rid of those whose makers died.
import { readdir, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { codeOf } from '../../base/errors.ts'
import { identityOf, isAlive } from '../../base/process-identity.ts'
import { timedId } from '../../base/random.ts'
import type { Context } from '../../base/room.ts'
import { DAY_MS } from '../../base/units.ts'
import { endServer, makePassable } from '../../warehouse/servers.ts'

/** Logs of sandboxes that failed are kept this long. */
const LOG_DAYS = 7

/**
 * A new folder below `<home>/sandboxes` (or `under`), named after this process, so that a later one can tell whether it still lives; what dead ones left is
 * removed first. Resolves to the path of a data directory in it that does not exist yet.
 */
export async function newSandboxFolder(context: Context, under?: string): Promise<string> {
  const all = under ?? join(context.home, 'sandboxes')
  if (under === undefined) await makePassable(context.home, context.environment)
  await makePassable(all, context.environment)
  await sweepSandboxes(all, context.clock)
  const identity = identityOf(process.pid).replace(' ', '.')
  const own = join(all, `${timedId(context.clock.now(), context.random)}.${identity}`)
  await makePassable(own, context.environment)
  return join(own, 'data')
}

/** Removes the folder around a sandbox, unless something (a log) was left in it. */
export async function leaveSandboxFolder(dataDirectory: string): Promise<void> {
  await rmdir(join(dataDirectory, '..')).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST' && codeOf(error) !== 'ENOENT') throw error
  })
}

/** Ends servers and removes folders whose process is gone. */
export async function sweepSandboxes(all: string, clock: Clock): Promise<void> {
  for (const name of await readdir(all).catch(() => [])) {
    const match = /^\d{8}T\d{6}Z-[0-9a-f]{8}\.(\d+)\.(\d+|-)$/.exec(name)
    if (!match || isAlive(`${match[1]} ${match[2]}`)) continue
    const own = join(all, name)
    const dataDirectory = join(own, 'data')
    await endServer({ dataDirectory, mode: 'immediate', clock, signal: new AbortController().signal }).catch(() => {})
    await rm(dataDirectory, { recursive: true, force: true })
    const log = await stat(join(own, 'data.log')).catch(() => undefined)
    if (!log || clock.now() - log.mtimeMs > LOG_DAYS * DAY_MS) await rm(own, { recursive: true, force: true })
  }
}
