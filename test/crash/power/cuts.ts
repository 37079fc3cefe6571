// Power cuts one after the other on one repository: after each everything that was acknowledged is there, nothing is partial, and work goes on.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { messageOf } from '../../../src/base/errors.ts'
import { seededRandom, type Random } from '../../../src/base/random.ts'
import { checkRepository } from '../../../src/repository/check/check.ts'
import { openStore } from '../../../src/repository/stores.ts'
import { formatLsn, parseLsn } from '../../../src/wal/lsn.ts'
import { complaintsOf, contentsOf } from '../../backup/truth.ts'
import type { World } from '../../backup/world.ts'
import { recover, type Recovered } from '../../restore/recovered.ts'
import { until } from '../system/world.ts'
import { checkWriter } from '../system/writer.ts'
import type { Death } from './mortal-store.ts'
import { never, openPowerWorld, unlock, type PowerWorld, type Worker } from './world.ts'

const PATIENCE_MS = 90_000
const RECOVER_EVERY = 5
/** Backups reported complete that are restored at the end, the newest among them. */
const RESTORED_AT_END = 4

export interface CutsOptions {
  readonly seed: number
  readonly from: number
  readonly to: number
  readonly log: (line: string) => void
  readonly signal: AbortSignal
  readonly done: (cases: number, failure?: string) => void
}

export async function runCuts(options: CutsOptions): Promise<{ run: number; failed: number }> {
  await using world = await openPowerWorld(seededRandom(options.seed))
  let failed = 0
  let at = options.from
  const tell = (problems: readonly string[]): void => {
    if (problems.length > 0) failed++
    options.done(at, problems.length > 0 ? problems.join('; ') : undefined)
  }
  const attempt = (work: () => Promise<string[]>): Promise<string[]> =>
    work().catch((error: unknown) => [error instanceof Error ? (error.stack ?? error.message) : messageOf(error)])
  for (; at < options.to && !options.signal.aborted;) {
    const random = seededRandom(options.seed * 10_000 + at)
    const cut = random.integer(5) === 0 ? cutOfInit : cutAtWork
    const problems = await attempt(() => cut(world, random, options.log))
    at++
    if (at % RECOVER_EVERY === 0 && at < options.to)
      problems.push(...(await attempt(() => recoverLatest(world, options.log))))
    tell(problems)
  }
  const last = await attempt(() => endCheck(world, options.log))
  if (last.length > 0) tell(last)
  return { run: at - options.from, failed }
}

/** A new repository in a folder of its own: after the cut it opens if init said so, and else init goes on. */
async function cutOfInit(world: PowerWorld, random: Random, log: (line: string) => void): Promise<string[]> {
  const folder = join(world.folder, 'init')
  const at = { path: join(folder, 'repository'), journal: join(folder, 'journal') }
  for (const one of [at.path, at.journal]) await mkdir(one, { recursive: true })
  const death = { phase: 'any', calls: random.integer(8), when: WHENS[random.integer(WHENS.length)]! }
  const worker = world.work({ ...at, initOnly: true, death })
  await worker.end
  const lost = await world.cut(random.integer(256), at)
  const said = worker.own.initialised
  log(
    `cut of init ${death.when} call ${death.calls}: ${said ? 'was acknowledged' : 'was not'}, lost ${lost.length} objects`,
  )
  const problems: string[] = []
  if (said) await world.open(at.path)
  const again = world.work({ ...at, initOnly: true })
  await again.end
  if (again.ended!.stderr !== '') problems.push(`init does not go on: ${again.ended!.stderr.slice(-800)}`)
  else await world.open(at.path)
  await rm(folder, { recursive: true })
  return problems.map((problem) => `after a cut of init at call ${death.calls}: ${problem}`)
}

const PHASES = ['starting', 'waiting for wal', 'stopping', 'storing', 'storing', 'storing', 'any']

const WHENS = ['before', 'between', 'after'] as const

/** At a call of the store, or while threads copy. */
function chooseDeath(random: Random): Death {
  const by = { calls: random.integer(14), when: WHENS[random.integer(WHENS.length)]! }
  if (random.integer(5) < 3) return { phase: PHASES[random.integer(PHASES.length)]!, ...by }
  return { phase: 'copying', ...by, afterMs: random.integer(600) }
}

/** Crashes before the cut: what a killed process left, visible and not durable yet, is built upon by the next. */
async function crashes(
  world: PowerWorld,
  random: Random,
): Promise<{ worker: Worker; problems: string[]; count: number }> {
  const count = random.integer(3)
  let worker = world.work()
  const problems = await goesOn(world, worker)
  for (let at = 0; at < count; at++) {
    await dead(worker, { phase: 'any', calls: random.integer(10), when: 'between' })
    worker = world.work()
    problems.push(...(await goesOn(world, worker)))
  }
  return { worker, problems, count }
}

async function dead(worker: Worker, death: Death): Promise<void> {
  worker.die(death)
  await Promise.race([worker.end, delay(20_000)])
  await worker.kill9()
}

async function cutAtWork(world: PowerWorld, random: Random, log: (line: string) => void): Promise<string[]> {
  const { worker, problems, count } = await crashes(world, random)
  const death = chooseDeath(random)
  const alive = random.integer(4) === 0
  // The store goes first, under the hands of a process that still lives.
  if (alive) await delay(random.integer(3000))
  else await dead(worker, death)
  const phase = worker.own.phase
  const lost = await world.cut([0, random.integer(256)][random.integer(2)]!)
  if (alive) {
    await delay(50)
    await worker.kill9()
  }
  const call = `${death.when} call ${death.calls}`
  const when = death.afterMs === undefined ? call : `${death.afterMs} ms after the start`
  const how = `${alive ? 'while it lives' : `${when} of "${death.phase}"`}, ${count} crashes before`
  log(
    `cut ${how}, in "${phase}": lost ${lost.length} objects; ${world.acknowledged.complete.length} backups were complete`,
  )
  problems.push(...(await problemsAfterCut(world)))
  return problems.map((problem) => `after a cut ${how}: ${problem}`)
}

/** A new start takes a backup and receives what was written meanwhile. */
async function goesOn(world: PowerWorld, worker: Worker): Promise<string[]> {
  const lsn = world.writer.acknowledged.at(-1)?.lsn ?? 0n
  const reached = await until(
    () => worker.ended !== undefined || (worker.own.complete.length > 0 && worker.own.durable >= lsn),
    PATIENCE_MS,
  )
  if (worker.ended) return [`the next start ended: ${worker.ended.stderr.slice(-1500)}`]
  return reached === undefined ? [`the next start does not go on: it is at ${formatLsn(worker.own.durable)}`] : []
}

async function problemsAfterCut(world: PowerWorld): Promise<string[]> {
  const { acknowledged, path, systemIdentifier, server } = world
  const problems: string[] = []
  const store = await openStore({ kind: 'file', path })
  const { findings } = await checkRepository({ store, unlock, depth: 'all', signal: never })
  problems.push(...findings.map((one) => `${one.object}: ${one.message}`))
  const repository = await world.open()
  const ranges = await repository.wal.ranges(systemIdentifier, never)
  const text = ranges.map((one) => `${formatLsn(one.startLsn)} to ${formatLsn(one.endLsn)}`).join(', ')
  if (ranges.length > 1) problems.push(`WAL has holes: ${text}`)
  const end = ranges.at(-1)?.endLsn ?? 0n
  if (end < acknowledged.durable)
    problems.push(`WAL up to ${formatLsn(acknowledged.durable)} was acknowledged, there is ${text}`)
  // What the server may forget must be ours. The first report of all is only where receiving starts.
  const [slot] = await server.psql<{ lsn: string | null }>(
    `select restart_lsn::text as lsn from pg_replication_slots where slot_name = 'wharf_retail'`,
  )
  if (acknowledged.durable > 0n && slot?.lsn && parseLsn(slot.lsn) > end)
    problems.push(`the server keeps WAL from ${slot.lsn} on only, there is ${text}`)
  const listed = (await repository.listBackups(never)).map(({ id }) => id)
  for (const id of acknowledged.complete) if (!listed.includes(id)) problems.push(`backup ${id} is gone`)
  await repository.close()
  return problems
}

/** To the end of WAL, by the repository's path and passphrase alone. */
async function recoverLatest(world: PowerWorld, log: (line: string) => void): Promise<string[]> {
  const { writer, acknowledged } = world
  if (acknowledged.complete.length === 0) return []
  const problems: string[] = []
  const backup = await withRecovered(world, undefined, async (recovered) => {
    problems.push(...(await checkWriter(recovered.asServer, writer, acknowledged.durable)))
    problems.push(...(await complaintsOf(recovered.asServer)))
    log(`recovered from ${recovered.report.plan.backup.id} to ${recovered.report.proof!.replayed.lsn}`)
  })
  return problems.map((problem) => `recovered from ${backup}: ${problem}`)
}

/** Returns the id of the backup it came from. */
async function withRecovered(
  world: PowerWorld,
  backup: string | undefined,
  look: (recovered: Recovered) => Promise<void>,
): Promise<string> {
  const recovered = await recover(asWorld(world), { latest: true, backup })
  try {
    await look(recovered)
    return recovered.report.plan.backup.id
  } finally {
    await recovered[Symbol.asyncDispose]()
    await rm(recovered.directory, { recursive: true, force: true })
  }
}

/** Backups that were reported complete, newest and chosen ones, each with all WAL, against the server at rest. */
async function endCheck(world: PowerWorld, log: (line: string) => void): Promise<string[]> {
  const { server, writer, acknowledged, random } = world
  const worker = world.work()
  const problems = await goesOn(world, worker)
  await writer.stop()
  const truth = await contentsOf(server)
  const [row] = await server.psql<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
  const durable = await until(() => worker.own.durable >= parseLsn(row!.lsn), PATIENCE_MS)
  if (durable === undefined) problems.push('the end of WAL does not become durable')
  await worker.kill9()
  await world.cut(0)
  problems.push(...(await problemsAfterCut(world)))
  const ids = [...acknowledged.complete]
  const chosen = [ids.pop()!]
  while (ids.length > 0 && chosen.length < RESTORED_AT_END) chosen.push(...ids.splice(random.integer(ids.length), 1))
  for (const backup of chosen) {
    await withRecovered(world, backup, async (recovered) => {
      const contents = await contentsOf(recovered.asServer)
      if (JSON.stringify(contents) !== JSON.stringify(truth))
        problems.push(`backup ${backup} brings back something else`)
      problems.push(...(await complaintsOf(recovered.asServer)))
    })
  }
  log(
    `${acknowledged.complete.length} backups complete, ${chosen.length} of them restored and equal; ${writer.acknowledged.length} transactions`,
  )
  return problems
}

/** As much of a World as recovering asks for. */
function asWorld({ server, folder }: PowerWorld): World {
  return { server, folder } as World
}
