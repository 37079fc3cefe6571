// kill −9 of the receiver at random moments under load; nothing that it reported as durable may be missing, and it must go on by itself.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

import { seededRandom } from '../../src/base/random.ts'
import { formatLsn, parseLsn } from '../../src/wal/lsn.ts'
import {
  compareWithServer,
  currentLsn,
  load,
  never,
  openReceiverWorld,
  receiving,
  ReceiverProcess,
} from './receiver-world.ts'

const KILLS = Number(process.env['ACCEPT_COUNT'] ?? 6)
const SEED = Number(process.env['ACCEPT_SEED'] ?? 1)

it(`${KILLS} receivers killed at random moments lose nothing`, { timeout: 60_000 + KILLS * 20_000 }, async (t) => {
  const random = seededRandom(SEED)
  await using world = await openReceiverWorld({ major: 18 })
  const { server, repository, systemIdentifier } = world
  const stop = new AbortController()
  t.after(() => stop.abort())
  const loading = load(server, stop.signal)
  let reported = 0n
  let progressed = 0
  for (let round = 0; round < KILLS; round++) {
    const receiver = new ReceiverProcess(world)
    t.after(() => receiver.kill9())
    const before = reported
    // Until it has said something new, then a random time more.
    const isNew = (): boolean => receiver.durable > before && receiver.durable !== receiver.began
    for (let waited = 0; !isNew() && waited < 15_000; waited += 20) await delay(20)
    await delay(random.integer(400))
    await receiver.kill9()
    if (receiver.durable > reported) {
      reported = receiver.durable
      progressed++
    }
    const [slot] = await server.psql<{ lsn: string | null }>(
      "SELECT restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = 'wharf_retail'",
    )
    const [range, ...others] = await repository.wal.ranges(systemIdentifier, never)
    assert.deepEqual(others, [], 'no hole')
    assert.ok(
      range!.endLsn >= reported,
      `round ${round}: the repository ends at ${formatLsn(range!.endLsn)}, ${formatLsn(reported)} was reported`,
    )
    if (slot?.lsn) assert.ok(range!.endLsn >= parseLsn(slot.lsn), 'the server may forget only what is durable')
  }
  stop.abort()
  t.diagnostic(`${await loading} transactions, ${progressed} of ${KILLS} rounds made progress, seed ${SEED}`)
  assert.ok(progressed >= KILLS / 2)
  const last = world.receiver()
  const to = await receiving(last, async () => {
    const lsn = await currentLsn(server)
    await last.waitDurable(lsn, never)
    return lsn
  })
  await compareWithServer(world, { to })
})
