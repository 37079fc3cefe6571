// Change maps against PostgreSQL's WAL summaries over generated histories, on 17 and 18: works of all kinds, crashes, a standby that is promoted.
// Nothing that a summary names may be missing in our map of the same stretch, no cut may be higher, and what we name beyond must follow a rule.
import { strict as assert } from 'node:assert'

import { systemClock } from '../../src/base/clock.ts'
import { messageOf } from '../../src/base/errors.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import { parseLsn } from '../../src/wal/lsn.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { HistoryCluster } from '../histories/cluster.ts'
import { pick, schema, someWork, type Ledger } from '../histories/works.ts'
import { beyond, contents, missing, ourMaps, summaries, type Summary } from '../wal/summaries.ts'

export const defaultCount = 40

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let [passed, failed] = [0, 0]
  for (let number = options.resumeFrom; number < options.count && !options.signal.aborted; number++) {
    const random = seededRandom(options.seed * 100_003 + number)
    const result = await oneHistory(random, number).catch((error: unknown) => messageOf(error))
    const failure = typeof result === 'string' ? result : undefined
    if (failure === undefined) passed++
    else failed++
    if (typeof result !== 'string') options.log(`history ${number}: ${result.maps} summaries, ${result.rows} rows`)
    options.done(number + 1, failure)
  }
  return { passed, failed }
}

async function oneHistory(random: Random, number: number): Promise<{ maps: number; rows: number }> {
  const walSegmentMegabytes = pick(random, [1, 4, 16])
  await using cluster = await HistoryCluster.start({
    major: number % 2 === 0 ? 18 : 17,
    checksums: random.integer(2) === 0,
    walSegmentMegabytes,
    settings: {
      summarize_wal: 'on',
      wal_level: pick(random, ['replica', 'logical']),
      wal_log_hints: pick(random, ['on', 'off']),
      wal_compression: pick(random, ['on', 'off']),
      max_wal_size: '64MB',
    },
  })
  const before = (await summaries(cluster.server)).length
  await play(cluster, random)
  const wanted = (await untilSummarised(cluster)).slice(before)
  const maps = await ourMaps(cluster.server, wanted, walSegmentMegabytes << 20)
  assert.equal(maps.length, wanted.length, 'as many maps as summaries')
  let count = 0
  for (const [n, map] of maps.entries()) {
    const rows = await contents(cluster.server, wanted[n]!)
    count += rows.length
    assert.deepEqual(map.doubts, [])
    assert.deepEqual(missing(map, rows), [], 'named by the summary and not by us')
    assert.deepEqual(beyond(map, rows), [], 'named by us and not by the summary')
  }
  return { maps: maps.length, rows: count }
}

async function play(cluster: HistoryCluster, random: Random): Promise<void> {
  const ledger: Ledger = { step: 0, databases: [], spaces: [], prepared: [] }
  const execute = async (statements: readonly string[], database?: string): Promise<void> => {
    await using client = await cluster.server.connect(database)
    for (const statement of statements) await client.query(statement)
  }
  await execute(schema)
  for (const name of ['space_1', 'space_2']) {
    await execute([`create tablespace ${name} location '${name === 'space_1' ? await cluster.newFolder() : ''}'`])
    ledger.spaces.push(name)
  }
  const works = 25 + random.integer(15)
  const [crashAt, promoteAt] = [random.integer(works), random.integer(works)]
  for (let n = 0; n < works; n++) {
    const { statements, database } = someWork(random, ledger)
    await execute(statements, database)
    if (n === crashAt) await cluster.crash()
    if (n === promoteAt - 5) await cluster.addStandby()
    if (n === promoteAt && cluster.standby) {
      await cluster.caughtUp()
      await cluster.promote(true)
    }
  }
}

/** All summaries up to a checkpoint of now, with something after it. */
async function untilSummarised({ server }: HistoryCluster): Promise<readonly Summary[]> {
  await server.psql('checkpoint')
  await server.psql(`create table after_all as select g as id from generate_series(1, 3000) g`)
  await server.psql('checkpoint')
  await server.psql('checkpoint')
  const [target] = await server.psql<{ lsn: string }>('select redo_lsn::text as lsn from pg_control_checkpoint()')
  for (;;) {
    const found = await summaries(server)
    if ((found.at(-1)?.endLsn ?? 0n) >= parseLsn(target!.lsn)) return found
    await systemClock.sleep(100)
  }
}
