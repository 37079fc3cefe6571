// Acceptance 5: unlogged nightly loads that were lost with their server are back, equal to the truth, in the projected time within 40 %. One case is one server with
// three nights of 50,000 to 250,000 rows, its death, and four replays: the first one rests on the first guess and is told, the others are held to the limit.
import assert from 'node:assert/strict'

import { messageOf } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { ReplayReport } from '../../src/recovery/run-replay.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { openKeptWorld, tables } from '../loads/kept-world.ts'

export const defaultCount = 4
const NIGHTS = 3
const REPLAYS = 4
const LIMIT = 0.4
/** A machine that does other things too (`ACCEPT_TIMES=told`) shows that it works, not how long it takes. */
const isJudged = process.env['ACCEPT_TIMES'] !== 'told'

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let failed = 0
  let at = options.resumeFrom
  for (; at < options.count && !options.signal.aborted; at++) {
    const failure = await oneCase(at, options).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure !== undefined) failed++
    options.done(at + 1, failure)
  }
  return { passed: at - options.resumeFrom - failed, failed }
}

async function oneCase(at: number, options: AcceptOptions): Promise<void> {
  const random = seededRandom(options.seed * 6007 + at)
  const rows = 50_000 + random.integer(200_000)
  await using kept = await openKeptWorld(at % 2 === 0 ? 15 : 18)
  await kept.load(1, rows)
  await kept.backup()
  for (let night = 2; night <= NIGHTS; night++) await kept.load(night, rows)
  await kept.world.archiveAll()
  const truth = await contentOf(kept.server)
  await kept.server.kill9()
  await using recovered = await kept.recover({ latest: true })
  const off: number[] = []
  for (let turn = 0; turn < REPLAYS; turn++) {
    if (turn > 0) await recovered.crash()
    const report = await kept.replay(recovered.url)
    assert.deepEqual(await contentOf(recovered), truth, `replay ${turn + 1}`)
    options.log(`case ${at}, ${NIGHTS} nights of ${rows} rows, replay ${turn + 1}: ${described(report)}`)
    if (report.time.basis === 'measured') off.push(Math.abs(report.durationMs / report.time.expectedMs - 1))
  }
  const worst = Math.max(...off)
  assert.equal(off.length, REPLAYS - 1)
  assert.ok(worst <= LIMIT || !isJudged, `a replay was ${Math.round(worst * 100)} % off its projected time`)
}

function described({ time, durationMs }: ReplayReport): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(2)
  return `${seconds(durationMs)} s, projected ${seconds(time.expectedMs)} (${seconds(time.lowMs)} to ${seconds(time.highMs)}, ${time.basis}), measured / projected ${(durationMs / time.expectedMs).toFixed(2)}`
}

/** Of each table how many rows, and a sum of what they are. */
async function contentOf(server: { psql(sql: string): Promise<object[]> }): Promise<readonly object[]> {
  const found: object[] = []
  for (const table of tables)
    found.push(
      ...(await server.psql(
        `select '${table}' as table, count(*)::int as rows, sum(hashtextextended(t::text, 0)::numeric)::text as sum from ${table} t`,
      )),
    )
  return found
}
