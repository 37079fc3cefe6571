// Several engines on one control database at once: nothing is done twice, pools and order hold, nothing is left over.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { z } from 'zod'

import { systemClock } from '../../src/base/clock.ts'
import type { Schedule, TaskKind } from '../../src/runs/contract.ts'
import { kindsOf, partsOf } from '../../src/runs/engine.ts'
import { tick } from '../../src/runs/scheduler.ts'
import { ensureDatabase } from '../loads/stage.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { openStage, request, type Stage } from './stage.ts'

const ENGINES = 3
const RUNS = 30

let inPool = 0
let mostInPool = 0
const inPipeline = new Map<string, Set<string>>()
const executed = new Map<string, number>()

const busy: TaskKind = {
  name: 'busy',
  input: z.unknown(),
  execute: async (task) => {
    const key = `${task.run.id}/${task.task.name}`
    executed.set(key, (executed.get(key) ?? 0) + 1)
    const runs = inPipeline.get(task.run.pipeline) ?? new Set()
    inPipeline.set(task.run.pipeline, runs.add(task.run.id))
    assert.equal(runs.size, 1, 'two runs of a pipeline at once')
    mostInPool = Math.max(mostInPool, ++inPool)
    await systemClock.sleep(5)
    inPool--
    if (task.task.name === 'd') runs.delete(task.run.id)
    return null
  },
}

describe('several engines', () => {
  let server: TestServer
  const stages: Stage[] = []
  before(async () => {
    server = await startServer({ major: 18 })
    await ensureDatabase(server, 'control')
    for (let index = 0; index < ENGINES; index++) {
      stages.push(
        await openStage({
          url: server.urlFor({ database: 'control' }),
          kinds: [busy],
          runs: { pools: { disk: 3 }, slots: 4 },
        }),
      )
    }
  })
  after(async () => {
    for (const stage of stages) await stage[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  test('every task once, never more than the pool has, one run per pipeline at a time', async () => {
    const stop = new AbortController()
    const working = stages.map((stage) => stage.engine.work({ context: stage.context, signal: stop.signal }))
    const pools = { disk: 1 }
    const tasks = [
      { name: 'a', kind: 'busy', pools },
      { name: 'b', kind: 'busy', pools, needs: ['a'] },
      { name: 'c', kind: 'busy', pools, needs: ['a'] },
      { name: 'd', kind: 'busy', pools, needs: ['b', 'c'] },
    ]
    for (let run = 0; run < RUNS; run++) await stages[run % ENGINES]!.engine.submit(request(`p${run % 5}`, tasks))
    const [{ engine }] = stages as [Stage]
    while ((await engine.list({ states: ['queued', 'running'], limit: 1 })).length > 0) await systemClock.sleep(20)
    stop.abort()
    await Promise.all(working)
    assert.equal((await engine.list({ states: ['succeeded'], limit: 1000 })).length, RUNS)
    assert.equal(executed.size, RUNS * tasks.length)
    assert.deepEqual(
      [...executed.values()].filter((times) => times !== 1),
      [],
    )
    // Never more than the pool has; that it is filled is up to a machine that has time.
    assert.ok(mostInPool > 1 && mostInPool <= 3, `${mostInPool} at once in a pool of 3`)
  })

  test('a schedule that several engines follow at once makes each run once', async () => {
    const now = systemClock.now()
    const schedule: Schedule = {
      id: 'pipeline/minutely',
      when: { cron: '* * * * *', timezone: 'UTC' },
      missed: 'last',
      request: () => request('minutely', [{ name: 'a', kind: 'busy' }]),
    }
    const at = (ms: number) =>
      stages.map((stage) =>
        tick({ ...partsOf(stage.engine), clock: { ...systemClock, now: () => ms } }, schedule, kindsOf(stage.context)),
      )
    assert.deepEqual((await Promise.all(at(now))).flat(), [], 'a new schedule does not fire for the past')
    const minute = Math.ceil((now + 1) / 60_000) * 60_000
    assert.equal((await Promise.all(at(minute + 500))).flat().length, 1)
    assert.equal((await Promise.all(at(minute + 900))).flat().length, 0)
    // An hour during which nothing ran: only the last one is made up for.
    assert.equal((await Promise.all(at(minute + 3_600_000 + 500))).flat().length, 1)
    const occurrences = await stages[0]!.control.query<{ nominal: Date }>(
      "select nominal from runs.occurrence where schedule_id = 'pipeline/minutely' order by 1",
    )
    assert.deepEqual(
      occurrences.map((row) => row.nominal.getTime()),
      [minute, minute + 3_600_000],
    )
  })

  test('a schedule after a pipeline fires once for each success of it', async () => {
    const [{ engine, context }] = stages as [Stage]
    const schedule: Schedule = {
      id: 'follow',
      when: { after: 'leader' },
      missed: 'last',
      request: () => request('follower', [{ name: 'a', kind: 'busy' }]),
    }
    const follow = () =>
      Promise.all(stages.map((stage) => tick(partsOf(stage.engine), schedule, kindsOf(stage.context))))
    assert.deepEqual((await follow()).flat(), [])
    await engine.runHere(request('leader', [{ name: 'd', kind: 'busy' }]), {
      context,
      signal: new AbortController().signal,
    })
    assert.equal((await follow()).flat().length, 1)
    assert.equal((await follow()).flat().length, 0)
  })
})
