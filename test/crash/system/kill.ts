// One kill −9 of one process of the system, what died started again as an operator would, and whether everything goes on.
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

import type { Random } from '../../../src/base/random.ts'
import { inspectPostmaster, processesIn } from '../../../src/warehouse/server/postmaster.ts'
import { currentLsn } from '../../wal/pg-wal.ts'
import { durableProblems, structureProblems } from './checks.ts'
import type { Kept } from './processes.ts'
import { until, type SystemWorld } from './world.ts'

export const victims = [
  'up',
  'backup',
  'load',
  'control postmaster',
  'control child',
  'warehouse postmaster',
  'warehouse child',
  'walsender',
] as const
export type Victim = (typeof victims)[number]

/** How long the system may take to be back at work. Generous: machines are busy. */
const PATIENCE_MS = 90_000
/** A backup that was killed holds its lease for a minute. */
const BACKUP_PATIENCE_MS = 150_000

export interface Kill {
  readonly victim: Victim
  /** After the victim was found at work. */
  readonly delayMs: number
}

export function chooseKill(random: Random): Kill {
  const victim = victims[random.integer(victims.length)]!
  return { victim, delayMs: random.integer(victim === 'up' ? 4000 : 1800) }
}

/** Returns what is wrong. */
export async function killAndCheck(world: SystemWorld, kill: Kill, random: Random): Promise<string[]> {
  const killed = await strike(world, kill, random)
  const reported = world.watcher.durable
  const problems = [...(await durableProblems(world, reported)), ...(await structureProblems(world))]
  const start = performance.now()
  const back = await goesOn(world, start)
  problems.push(...back.problems)
  world.log(`${killed}; receiving again after ${back.receivingMs} ms, loading after ${back.loadingMs} ms`)
  return problems.map((problem) => `after ${killed}: ${problem}`)
}

type Strike = (world: SystemWorld, kill: Kill, random: Random) => Promise<string>

const strikes: Readonly<Record<Victim, Strike>> = {
  up: (world, { delayMs }) => killKept(world.up, delayMs),
  backup: (world, { delayMs }) => killKept(world.backups, delayMs),
  load: (world, { delayMs }) => killKept(world.loads, delayMs),
  'control postmaster': (world, _kill, random) =>
    killServerProcess(world.controlDirectory, { random, postmaster: true }),
  'control child': (world, _kill, random) => killServerProcess(world.controlDirectory, { random, postmaster: false }),
  'warehouse postmaster': async ({ server }) => {
    await server.kill9()
    await server.start()
    return `the warehouse's postmaster`
  },
  'warehouse child': ({ server }, _kill, random) =>
    killServerProcess(server.dataDirectory, { random, postmaster: false }),
  walsender: killWalsender,
}

async function strike(world: SystemWorld, kill: Kill, random: Random): Promise<string> {
  const waits = ['up', 'backup', 'load'].includes(kill.victim)
  if (!waits) await delay(kill.delayMs)
  return await strikes[kill.victim](world, kill, random)
}

/** Killed while it works: waits for it where it must. */
async function killKept(kept: Kept, delayMs: number): Promise<string> {
  for (;;) {
    await until(() => kept.current !== undefined, PATIENCE_MS)
    const victim = kept.current
    if (!victim) return `nothing: ${kept.name} never came`
    await Promise.race([delay(delayMs), victim.ended])
    if (kept.current !== victim) continue
    const ended = await victim.kill9()
    if (ended.killed) return `${kept.name}, ${Math.round(ended.endedAt - ended.startedAt)} ms old`
  }
}

async function killServerProcess(directory: string, how: { random: Random; postmaster: boolean }): Promise<string> {
  const found = await inspectPostmaster(directory)
  if (found.state !== 'running') return `nothing: ${directory} has no server`
  const children = (await processesIn(directory)).filter((pid) => pid !== found.file.pid)
  const pid = how.postmaster ? found.file.pid : children[how.random.integer(children.length)]
  if (pid === undefined) return `nothing: ${directory} has no backend`
  const title = await titleOf(pid)
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    return `nothing: process ${pid} ended by itself`
  }
  return `process ${pid} (${title})`
}

async function titleOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return line.replaceAll('\0', ' ').trim().slice(0, 60)
}

async function killWalsender({ server }: SystemWorld): Promise<string> {
  const rows = await server
    .psql<{ pid: number }>(`select active_pid as pid from pg_replication_slots where slot_name = 'wharf_retail'`)
    .catch(() => [])
  const pid = rows[0]?.pid
  if (!pid) return 'nothing: nobody was receiving'
  process.kill(pid, 'SIGKILL')
  return `walsender ${pid}`
}

interface Back {
  readonly problems: string[]
  readonly receivingMs: number | undefined
  readonly loadingMs: number | undefined
}

/** WAL written from now on becomes durable, and a load that starts from now on succeeds. */
async function goesOn(world: SystemWorld, since: number): Promise<Back> {
  const { server, watcher, loads } = world
  const problems: string[] = []
  let lsn = 0n
  const answers = await until(async () => {
    lsn = await currentLsn(server).catch(() => 0n)
    return lsn > 0n
  }, PATIENCE_MS)
  if (answers === undefined) problems.push('the warehouse does not answer')
  const start = performance.now()
  const [receiving, loadingMs] = await Promise.all([
    watcher.reaches(lsn, PATIENCE_MS).then((reached) => (reached ? Math.round(performance.now() - start) : undefined)),
    until(() => loads.lastSuccessStartedAt > since, PATIENCE_MS),
  ])
  if (receiving === undefined) problems.push('receiving does not go on')
  if (loadingMs === undefined) problems.push('loading does not go on')
  return { problems, receivingMs: receiving, loadingMs }
}

/** A backup that starts from now on completes. */
export async function backupGoesOn({ backups }: SystemWorld): Promise<string[]> {
  const since = performance.now()
  const took = await until(() => backups.lastSuccessStartedAt > since, BACKUP_PATIENCE_MS)
  return took === undefined ? ['no backup completes any more'] : []
}
