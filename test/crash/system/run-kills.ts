// Kills one after the other on one system; every tenth time and at the end everything is read, recovered and compared.
import { setTimeout as delay } from 'node:timers/promises'

import { messageOf } from '../../../src/base/errors.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { parseLsn } from '../../../src/wal/lsn.ts'
import type { Major } from '../../support/postgres.ts'
import { recoverAndCompare, structureProblems } from './checks.ts'
import { backupGoesOn, chooseKill, killAndCheck, type Kill } from './kill.ts'
import { runWharf, wharfJson } from './processes.ts'
import { openSystem, until, type SystemWorld } from './world.ts'
import { checkWriter } from './writer.ts'

const FULL_CHECK_EVERY = 10

export interface KillsOptions {
  readonly major: Major
  readonly seed: number
  /** Numbers of the cases: [from, to). */
  readonly from: number
  readonly to: number
  readonly log: (line: string) => void
  readonly signal: AbortSignal
  readonly done: (cases: number, failure?: string) => void
  /** Instead of the seed's choice. */
  readonly choose?: (number: number) => Kill
}

/** Returns how many cases failed, and how many were run. */
export async function runKills(options: KillsOptions): Promise<{ run: number; failed: number }> {
  const { log, signal } = options
  await using world = await openSystem({
    major: options.major,
    random: seededRandom(options.seed),
    log,
  })
  let failed = 0
  let at = options.from
  const tell = (problems: readonly string[]): void => {
    if (problems.length > 0) failed++
    options.done(at, problems.length > 0 ? problems.join('; ') : undefined)
  }
  const started = await startProblems(world)
  if (started.length > 0) throw new Error(started.join('; '))
  for (; at < options.to && !signal.aborted;) {
    const random = seededRandom(options.seed * 10_000 + at)
    const kill = options.choose?.(at) ?? chooseKill(random)
    const problems = await killAndCheck(world, kill, random).catch((error: unknown) => [messageOf(error)])
    at++
    if (at % FULL_CHECK_EVERY === 0 && at < options.to) problems.push(...(await attempt(() => fullCheck(world))))
    tell(problems)
  }
  const last = await attempt(() => endCheck(world))
  if (last.length > 0) tell(last)
  log(
    `${at - options.from} kills; ${world.backups.successes} backups, ${world.loads.successes} loads, ${world.writer.acknowledged.length} transactions; errors on the way: ${JSON.stringify(Object.fromEntries(world.errors))}`,
  )
  return { run: at - options.from, failed }
}

async function attempt(check: () => Promise<string[]>): Promise<string[]> {
  return await check().catch((error: unknown) => [
    error instanceof Error ? (error.stack ?? error.message) : messageOf(error),
  ])
}

/** Everything at work before the first kill. */
async function startProblems({ backups, loads, watcher }: SystemWorld): Promise<string[]> {
  const ready = await until(() => backups.successes > 0 && loads.successes > 0 && watcher.durable > 0n, 180_000)
  return ready === undefined ? ['the system did not start'] : []
}

async function fullCheck(world: SystemWorld): Promise<string[]> {
  const problems = await backupGoesOn(world)
  problems.push(...(await statusProblems(world)))
  problems.push(...(await structureProblems(world, 'all')))
  problems.push(...(await recoverAndCompare(world)))
  return problems
}

interface WalStatusDocument {
  readonly receivers: readonly {
    readonly state: string
    readonly durableLsn?: string
    readonly holes: readonly unknown[]
  }[]
}

/** What `wal status` says is held against it from now on. */
async function statusProblems({ place, watcher }: SystemWorld): Promise<string[]> {
  const { receivers } = await wharfJson<WalStatusDocument>(place, ['wal', 'status', 'retail'])
  const [one] = receivers
  if (receivers.length !== 1 || one?.state !== 'streaming' || one.holes.length > 0 || one.durableLsn === undefined)
    return [`wal status: ${JSON.stringify(receivers)}`]
  watcher.claimed(parseLsn(one.durableLsn))
  return []
}

/** The same once more with everything at rest, and the warehouse itself. */
async function endCheck(world: SystemWorld): Promise<string[]> {
  const { server, writer, feed, place } = world
  const problems = await backupGoesOn(world)
  await world.rest()
  const load = await runWharf(place, ['load', 'run', 'daily'])
  if (load.code !== 0) problems.push(`the last load ended with ${load.code}: ${load.stderr}${load.stdout}`)
  await delay(500)
  problems.push(...(await checkWriter(server, writer, writer.acknowledged.at(-1)?.lsn ?? 0n)))
  problems.push(...(await feed.check(server, true)).problems)
  problems.push(...(await structureProblems(world, 'all')))
  problems.push(...(await recoverAndCompare(world)))
  problems.push(...world.defects)
  return problems
}
