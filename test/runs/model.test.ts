// A random walk over claim, finish, expire, sweep, cancel and retry on a real control database. After every step the tables must keep the
// numbered invariants of src/runs/README.md, and what a late worker writes must change nothing.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { z } from 'zod'

import { isWharfError } from '../../src/base/errors.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import { cancelRun, retryRun } from '../../src/runs/change.ts'
import { claim, renew, type ClaimedTask } from '../../src/runs/claim.ts'
import { partsOf } from '../../src/runs/engine.ts'
import { finish, type Outcome } from '../../src/runs/finish.ts'
import type { EngineParts } from '../../src/runs/parts.ts'
import { submitRun } from '../../src/runs/submit.ts'
import { sweepLeases } from '../../src/runs/sweep.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { ensureDatabase } from '../loads/stage.ts'
import { openStage, request, type Stage } from './stage.ts'

const seed = Number(process.env['ACCEPT_SEED'] ?? 1)
const steps = Number(process.env['ACCEPT_COUNT'] ?? 400)
const kind = 'note'

/** Each names what it would find if the invariant did not hold: none may return a row. */
const invariants: Readonly<Record<string, string>> = {
  'a lease where and only where a task runs': `select id from runs.task where (state = 'running') <> (lease_until is not null)`,
  'one running attempt for a running task, and it has its token': `select t.id from runs.task t left join runs.attempt a on a.task_id = t.id and a.state = 'running'
     group by t.id, t.state, t.token having count(a.token) <> (t.state = 'running')::int or (t.state = 'running' and max(a.token) <> t.token)`,
  'tokens grow with the attempts of a task': `select a.token from runs.attempt a join runs.attempt b on a.task_id = b.task_id and a.number < b.number and a.token >= b.token`,
  'at most one succeeded attempt, and only of a succeeded task': `select t.id from runs.task t join runs.attempt a on a.task_id = t.id and a.state = 'succeeded'
     group by t.id, t.state having count(*) <> 1 or t.state <> 'succeeded'`,
  'one running exclusive run per pipeline': `select pipeline from runs.run where state = 'running' and exclusive group by 1 having count(*) > 1`,
  'a run has ended exactly when all its tasks have': `select r.id from runs.run r join runs.task t on t.run_id = r.id group by r.id, r.state
     having (r.state in ('succeeded', 'failed', 'cancelled')) <> bool_and(t.state in ('succeeded', 'failed', 'skipped', 'cancelled'))`,
  'a run that succeeded has no task that did not': `select r.id from runs.run r join runs.task t on t.run_id = r.id where r.state = 'succeeded' and t.state <> 'succeeded'`,
  'a task runs only after all that it needs succeeded': `select t.id from runs.task t join runs.task n on n.run_id = t.run_id and n.name = any(t.needs)
     where t.state in ('ready', 'running', 'succeeded') and n.state <> 'succeeded'`,
  'a task that waits has something left to wait for': `select t.id from runs.task t join runs.run r on r.id = t.run_id where t.state = 'waiting' and not exists (
     select from runs.task n where n.run_id = t.run_id and n.name = any(t.needs) and n.state in ('waiting', 'ready', 'running'))`,
  'no pool is overdrawn': `select p.key from runs.task t, jsonb_each_text(t.pools) p where t.state = 'running' group by p.key having sum(p.value::int) > 2`,
}

describe('random walks keep the invariants', () => {
  let server: TestServer
  let stage: Stage
  before(async () => {
    server = await startServer({ major: 18 })
    await ensureDatabase(server, 'control')
    const kinds = [{ name: kind, input: z.unknown(), execute: () => Promise.resolve(null) }]
    stage = await openStage({
      url: server.urlFor({ database: 'control' }),
      kinds,
      runs: { pools: { disk: 2 }, lease: '1h' },
    })
  })
  after(async () => {
    await stage[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  test(`${steps} steps (seed ${seed})`, async () => {
    const walk = new Walk(partsOf(stage.engine), seededRandom(seed))
    for (let step = 0; step < steps; step++) {
      const did = await walk.step()
      for (const [name, sql] of Object.entries(invariants)) {
        assert.deepEqual(await stage.control.query(sql), [], `after step ${step} (${did}): ${name}`)
      }
    }
    assert.ok(walk.lateWrites > 0, 'no late write was tried')
  })
})

class Walk {
  lateWrites = 0
  private readonly parts: EngineParts
  private readonly random: Random
  private readonly held: ClaimedTask[] = []
  private readonly stale: ClaimedTask[] = []
  private readonly runs: string[] = []

  constructor(parts: EngineParts, random: Random) {
    this.parts = parts
    this.random = random
  }

  async step(): Promise<string> {
    const actions: readonly (readonly [string, () => Promise<void>])[] = [
      ['submit', () => this.submit()],
      ...Array.from({ length: 3 }, () => ['claim', () => this.claim()] as const),
      ...Array.from({ length: 3 }, () => ['finish', () => this.finish()] as const),
      ['expire', () => this.expire()],
      ['late', () => this.late()],
      ['cancel', () => this.cancel()],
      ['retry', () => this.retry()],
      ['renew', () => this.renew()],
    ]
    const [name, act] = this.pick(actions)!
    await act()
    return name
  }

  private pick<T>(from: readonly T[]): T | undefined {
    return from[this.random.integer(Math.max(1, from.length))]
  }

  private async submit(): Promise<void> {
    const count = 1 + this.random.integer(5)
    const tasks = Array.from({ length: count }, (_, index) => ({
      name: `t${index}`,
      kind,
      needs: Array.from({ length: index }, (_none, before) => `t${before}`).filter(() => this.random.integer(3) === 0),
      retries: this.random.integer(2),
      retryDelayMs: 0,
      pools: this.random.integer(3) === 0 ? { disk: 1 + this.random.integer(2) } : {},
    }))
    const { runId } = await submitRun(this.parts, request(`p${this.random.integer(3)}`, tasks))
    this.runs.push(runId)
  }

  private async claim(): Promise<void> {
    const task = await claim(this.parts, { kinds: [kind] })
    if (task) this.held.push(task)
  }

  private async finish(): Promise<void> {
    const [task] = this.held.splice(this.random.integer(Math.max(1, this.held.length)), 1)
    if (!task) return
    await finish(this.parts, task, this.outcome())
    this.stale.push(task)
  }

  private outcome(): Outcome {
    const outcomes: readonly Outcome[] = [
      { kind: 'succeeded', result: 1 },
      { kind: 'succeeded', result: 1 },
      { kind: 'failed', error: new Error('x') },
      { kind: 'released' },
      { kind: 'cancelled', error: new Error('x') },
    ]
    return this.pick(outcomes)!
  }

  /** The worker of a task is silent for too long; the sweeper takes the lease. */
  private async expire(): Promise<void> {
    const [task] = this.held.splice(0, 1)
    if (!task) return
    await this.parts.control.query(
      "update runs.task set lease_until = clock_timestamp() - interval '1 s' where token = $1",
      [task.token.toString()],
    )
    assert.equal(await sweepLeases(this.parts), 1)
    this.stale.push(task)
  }

  private async late(): Promise<void> {
    const task = this.pick(this.stale)
    if (!task) return
    const before = await this.state()
    await assert.rejects(finish(this.parts, task, this.outcome()), { code: 'runs.lease-lost' })
    assert.equal((await renew(this.parts, [task.token])).size, 0)
    assert.deepEqual(await this.state(), before)
    this.lateWrites++
  }

  private async state(): Promise<unknown> {
    return [
      await this.parts.control.query('select * from runs.task order by id'),
      await this.parts.control.query('select * from runs.attempt order by token'),
    ]
  }

  private async cancel(): Promise<void> {
    if (this.random.integer(2) === 0) return
    await this.refusable(() => cancelRun(this.parts, this.pick(this.runs) ?? 'none', 'test'))
  }

  private async retry(): Promise<void> {
    await this.refusable(() => retryRun(this.parts, this.pick(this.runs) ?? 'none'))
  }

  private async refusable(change: () => Promise<unknown>): Promise<void> {
    try {
      await change()
    } catch (error) {
      if (!isWharfError(error) || !['runs.already-ended', 'runs.not-ended', 'runs.unknown-run'].includes(error.code))
        throw error
    }
  }

  private async renew(): Promise<void> {
    const held = await renew(
      this.parts,
      this.held.map((task) => task.token),
    )
    assert.deepEqual(new Set(held.keys()), new Set(this.held.map((task) => task.token)))
  }
}
