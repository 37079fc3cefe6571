// Acceptance 4: predicted against measured time over varied recoveries and drills. Sizes, WAL, kinds and ways are drawn by lot; each is predicted by
// what those before it have taught. The first ones teach only; of the rest the median error and the share within the interval are told.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../../src/base/clock.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import { runDrill } from '../../src/recovery/drills/run-drill.ts'
import { errorOf, isWithin, scoreOf, type Scored } from '../../src/recovery/rates/accuracy.ts'
import { readRecords } from '../../src/recovery/rates/times.ts'
import { room as recoveryRoom } from '../../src/recovery/room.ts'
import { runRecovery } from '../../src/recovery/run-recovery.ts'
import { endServer } from '../../src/warehouse/servers.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { openWorld, type World } from '../backup/world.ts'
import { requestFor } from '../restore/recovered.ts'
import { testContext } from '../support/context.ts'
import type { Major } from '../support/postgres.ts'

export const defaultCount = 72
const never = new AbortController().signal
/** Of the first nothing is expected: they rest on first guesses. */
const LEARNING = 10
/** Worlds: each grows from recovery to recovery, and then makes room for the next. */
const PER_WORLD = 12
const GOAL_ERROR = 0.25
const GOAL_COVERAGE = [0.7, 0.9] as const

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  const scored: Scored[] = []
  const home = await mkdtemp(join(tmpdir(), 'wharf-predict-'))
  let failed = 0
  let at = options.resumeFrom
  while (at < options.count && !options.signal.aborted) {
    const random = seededRandom(options.seed * 7919 + at)
    const majors: readonly Major[] = [15, 16, 17, 18]
    await using world = await openWorld({
      major: majors[random.integer(4)]!,
      settings: { max_wal_size: '2GB', shared_buffers: '64MB' },
    })
    await prepare(world, random)
    for (let round = 0; round < PER_WORLD && at < options.count && !options.signal.aborted; round++, at++) {
      const failure = await oneCase(world, { random, at, home, scored, log: (line) => options.log(line) })
      if (failure !== undefined) failed++
      options.done(at + 1, failure)
    }
  }
  await rm(home, { recursive: true })
  return conclude(scored, { options, passed: at - options.resumeFrom - failed, failed })
}

function conclude(
  scored: readonly Scored[],
  at: { options: AcceptOptions; passed: number; failed: number },
): AcceptResult {
  const { medianError, coverage, bias, count } = scoreOf(scored)
  if (medianError === undefined || coverage === undefined) return at
  at.options.log(
    `${count} scored: median error ${(medianError * 100).toFixed(1)} %, ${(coverage * 100).toFixed(0)} % within the interval of 80 %, measured / predicted ${bias!.toFixed(2)}`,
  )
  const isGood = medianError <= GOAL_ERROR && coverage >= GOAL_COVERAGE[0] && coverage <= GOAL_COVERAGE[1]
  // Of few cases nothing can be told.
  return isGood || count < 30 ? at : { passed: at.passed, failed: at.failed + 1 }
}

async function prepare(world: World, random: Random): Promise<void> {
  await world.server.psql(
    `create table fact (id bigint, day date, amount int, note text);
     create table grown (id int primary key, body text)`,
  )
  await grow(world, 20 + random.integer(200))
  await world.take('full')
}

/** About so many megabytes of a table, without the WAL of an index. */
async function grow(world: World, megabytes: number): Promise<void> {
  await world.server.psql(
    `insert into fact select n, date '2026-01-01' + n % 300, n % 1000, repeat(md5(n::text), 3) from generate_series(1, ${megabytes * 7000}) n`,
  )
}

/** WAL of different kinds: long rows, many small changes of pages that are all over a table, images of pages after a checkpoint. */
async function change(world: World, random: Random): Promise<void> {
  const kind = random.integer(3)
  const megabytes = [0, 2, 10, 40, 100][random.integer(5)]!
  if (megabytes === 0) return
  if (kind === 0) await grow(world, megabytes)
  else if (kind === 1)
    await world.server.psql(`update fact set amount = amount + 1 where id % 97 < ${Math.ceil(megabytes / 4)}`)
  else
    await world.server.psql(
      `checkpoint; insert into grown select (select coalesce(max(id), 0) from grown) + n, md5(n::text) from generate_series(1, ${megabytes * 5000}) n`,
    )
}

async function oneCase(
  world: World,
  at: { random: Random; at: number; home: string; scored: Scored[]; log: (line: string) => void },
): Promise<string | undefined> {
  const { random } = at
  await change(world, random)
  if (random.integer(4) === 0) await world.take(random.integer(3) === 0 ? 'full' : 'incremental')
  await world.archiveAll()
  const way = ['restore', 'connect', 'checksums', 'full', 'drill'][random.integer(5)]!
  try {
    await carry(world, at.home, way)
  } catch (error) {
    return `${way}: ${error instanceof Error ? error.message : String(error)}`
  }
  const records = await readRecords(at.home)
  const record = records.at(-1)!
  const one: Scored = { predicted: record.predicted!, measuredMs: record.durationMs }
  const isScored = record.predicted!.basis === 'measured' && records.length > LEARNING
  if (isScored) at.scored.push(one)
  at.log(
    `case ${at.at} ${way.padEnd(9)} took ${(one.measuredMs / 1000).toFixed(1)} s, predicted ${(one.predicted.expectedMs / 1000).toFixed(1)} (${(one.predicted.lowMs / 1000).toFixed(1)} to ${(one.predicted.highMs / 1000).toFixed(1)}) ${one.predicted.basis}, off ${(errorOf(one) * 100).toFixed(0)} %${isWithin(one) ? '' : ', outside'}; ${record.steps.map((step) => `${step.step} ${Math.round(step.ms)}/${Math.round(step.predicted!.expectedMs)}`).join(' ')}`,
  )
  return undefined
}

async function carry(world: World, home: string, way: string): Promise<void> {
  const request = await requestFor(world, { latest: true })
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home, rooms: [recoveryRoom] }, scope)
  const tools = { report: () => {}, signal: never }
  if (way === 'drill') {
    const asked = { ...request, folder: world.folder, keep: false, trigger: 'command', actor: 'acceptance' } as const
    await runDrill(asked, context, tools)
    return
  }
  const verify = way === 'restore' ? 'connect' : (way as 'connect' | 'checksums' | 'full')
  try {
    await runRecovery({ ...request, start: way !== 'restore', verify }, context, tools)
  } finally {
    const { toDirectory: dataDirectory } = request
    await endServer({ dataDirectory, mode: 'immediate', clock: systemClock, signal: never }).catch(() => {})
    await rm(dataDirectory, { recursive: true, force: true })
  }
}
