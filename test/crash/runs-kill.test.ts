// kill −9 of workers at random moments: no run is lost, no task succeeds twice, nothing stays claimed.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { z } from 'zod'

import { seededRandom } from '../../src/base/random.ts'
import { ensureDatabase } from '../loads/stage.ts'
import { openStage, request, type Stage } from '../runs/stage.ts'
import { startServer, type TestServer } from '../support/postgres.ts'

const kills = Number(process.env['ACCEPT_COUNT'] ?? 8)
const seed = Number(process.env['ACCEPT_SEED'] ?? 1)
const script = fileURLToPath(new URL('runs-worker.ts', import.meta.url))
const RUNS = 60

describe('runs survive the death of their workers', () => {
  let server: TestServer
  let stage: Stage
  before(async () => {
    server = await startServer({ major: 18 })
    await ensureDatabase(server, 'control')
    stage = await openStage({
      url: server.urlFor({ database: 'control' }),
      kinds: [{ name: 'nap', input: z.unknown(), execute: () => Promise.resolve(null) }],
    })
  })
  after(async () => {
    await stage[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  test(`${kills} kills (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const children: ChildProcess[] = []
    for (let index = 0; index < 2; index++) children.push(await startWorker(server))
    const tasks = ['a', 'b', 'c', 'd'].map((name, index, all) => ({
      name,
      kind: 'nap',
      needs: index === 0 ? [] : [all[index - 1]!],
    }))
    for (let run = 0; run < RUNS; run++) await stage.engine.submit(request(`p${run % 6}`, tasks))
    for (let kill = 0; kill < kills; kill++) {
      await new Promise((resolve) => setTimeout(resolve, random.integer(400)))
      const index = random.integer(children.length)
      children[index]!.kill('SIGKILL')
      children[index] = await startWorker(server)
    }
    while ((await stage.engine.list({ states: ['queued', 'running'], limit: 1 })).length > 0)
      await new Promise((resolve) => setTimeout(resolve, 50))
    for (const child of children) child.kill('SIGKILL')
    const states = await stage.control.query('select state, count(*)::int as runs from runs.run group by 1')
    assert.deepEqual(states, [{ state: 'succeeded', runs: RUNS }])
    const wrong = await stage.control.query(
      `select t.id from runs.task t join runs.attempt a on a.task_id = t.id group by t.id
       having count(*) filter (where a.state = 'succeeded') <> 1 or count(*) filter (where a.state = 'running') > 0`,
    )
    assert.deepEqual(wrong, [])
    const [lost] = await stage.control.query<{ lost: number }>(
      "select count(*)::int as lost from runs.attempt where state = 'lost'",
    )
    assert.ok(lost!.lost > 0, 'no kill hit a running task')
  })
})

async function startWorker(server: TestServer): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, server.urlFor({ database: 'control' })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
}
