// Where sandboxes of this home lie, and getting rid of those whose makers died.
import { createHash } from 'node:crypto'
import { readdir, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import { identityOf, isAlive } from '../../base/process-identity.ts'
import { timedId } from '../../base/random.ts'
import type { Context } from '../../base/room.ts'
import { DAY_MS } from '../../base/units.ts'
import { endServer, makePassable } from '../../warehouse/servers.ts'

/** Logs of sandboxes that failed are kept this long, and what another host left, of which nobody here can tell whether it lives. */
const LOG_DAYS = 7

/** A home may be shared by hosts and containers, whose processes cannot be seen from each other. */
function hostMark(hostname: string): string {
  return createHash('sha256').update(hostname).digest('hex').slice(0, 8)
}

/**
 * A new folder below `<home>/sandboxes` (or `under`), named after this process and its host, so that a later one can tell whether it still lives; what dead ones left is
 * removed first. Resolves to the path of a data directory in it that does not exist yet.
 */
export async function newSandboxFolder(context: Context, under?: string): Promise<string> {
  const all = under ?? join(context.home, 'sandboxes')
  if (under === undefined) await makePassable(context.home, context.environment)
  await makePassable(all, context.environment)
  await sweepSandboxes(all, context)
  const identity = identityOf(process.pid).replace(' ', '.')
  const { hostname } = context.environment
  const own = join(all, `${timedId(context.clock.now(), context.random)}.${identity}.${hostMark(hostname)}`)
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
export async function sweepSandboxes(
  all: string,
  { clock, environment }: Pick<Context, 'clock' | 'environment'>,
): Promise<void> {
  const isOld = (atMs: number): boolean => clock.now() - atMs > LOG_DAYS * DAY_MS
  for (const name of await readdir(all).catch(() => [])) {
    const match = /^\d{8}T\d{6}Z-[0-9a-f]{8}\.(\d+)\.(\d+|-)(?:\.([0-9a-f]{8}))?$/.exec(name)
    if (!match) continue
    const own = join(all, name)
    const [, pid, start, host] = match
    // Earlier versions named no host.
    const isOurs = host === undefined || host === hostMark(environment.hostname)
    const dataDirectory = join(own, 'data')
    if (isOurs) {
      if (isAlive(`${pid} ${start}`)) continue
      await endServer({ dataDirectory, mode: 'immediate', clock, signal: never }).catch(() => {})
    } else if (!isOld((await stat(own).catch(() => undefined))?.mtimeMs ?? clock.now())) continue
    await rm(dataDirectory, { recursive: true, force: true })
    const log = await stat(join(own, 'data.log')).catch(() => undefined)
    if (!log || isOld(log.mtimeMs)) await rm(own, { recursive: true, force: true })
  }
}

const never = new AbortController().signal
