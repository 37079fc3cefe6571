import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { z } from 'zod'

import { systemClock } from '../../src/base/clock.ts'
import { defineErrors } from '../../src/base/errors.ts'
import type { RunRequest, TaskKind } from '../../src/runs/contract.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { openStage, request, type Stage } from './stage.ts'

const trace: string[] = []
const failing = defineErrors('test', {
  passing: { exit: 'unreachable', passing: true, message: () => 'it will pass' },
  lasting: { exit: 'failed', message: () => 'it will not pass' },
})
let failuresLeft = 0

const kinds: readonly TaskKind[] = [
  kind('note', (task) => {
    trace.push(task.task.name)
    return { token: task.token.toString() }
  }),
  kind('flaky', (task) => {
    if (failuresLeft-- > 0) throw failing.passing(undefined)
    return { attempt: task.attempt }
  }),
  kind('broken', () => {
    throw failing.lasting(undefined)
  }),
  kind('hang', async (_task, signal) => {
    await systemClock.sleep(60_000, signal)
  }),
  kind('talk', async (task) => {
    await task.log('first')
    await task.log('second, to postgresql://joe:secret@host/db')
    task.progress({ phase: 'talking', done: 2, total: 2 })
  }),
]

function kind(
  name: string,
  execute: TaskKind['execute'] extends (...given: infer G) => unknown ? (...given: G) => unknown : never,
): TaskKind {
  return { name, input: z.unknown(), execute: async (task, signal) => await execute(task, signal) }
}

describe('engine', () => {
  let server: TestServer
  let stage: Stage
  before(async () => {
    server = await startServer({ major: 18 })
    stage = await openStage({ url: server.url, kinds, runs: { pools: { disk: 1 }, drain: '200ms' } })
  })
  after(async () => {
    await stage[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  const here = (asked: RunRequest, signal = new AbortController().signal) =>
    stage.engine.runHere(asked, { context: stage.context, signal })

  test('tasks run after what they need, and the run succeeds', async () => {
    trace.length = 0
    const run = await here(
      request('order', [
        { name: 'last', kind: 'note', needs: ['left', 'right'] },
        { name: 'left', kind: 'note', needs: ['first'] },
        { name: 'right', kind: 'note', needs: ['first'] },
        { name: 'first', kind: 'note' },
      ]),
    )
    assert.equal(run.state, 'succeeded')
    assert.equal(trace[0], 'first')
    assert.equal(trace[3], 'last')
    assert.deepEqual([...trace].sort(), ['first', 'last', 'left', 'right'])
  })

  test('a passing failure is tried again, as often as retries say', async () => {
    failuresLeft = 2
    const good = await here(request('flaky', [{ name: 'a', kind: 'flaky', retries: 2, retryDelayMs: 10 }]))
    assert.equal(good.state, 'succeeded')
    assert.deepEqual(good.tasks[0]?.result, { attempt: 3 })
    failuresLeft = 2
    const bad = await here(request('flaky', [{ name: 'a', kind: 'flaky', retries: 1, retryDelayMs: 10 }]))
    assert.equal(bad.state, 'failed')
    assert.deepEqual(bad.tasks[0]?.error, { code: 'test.passing', message: 'it will pass' })
  })

  test('a lasting failure is not tried again; what needs it is skipped; the rest goes on', async () => {
    trace.length = 0
    const run = await here(
      request('broken', [
        { name: 'bad', kind: 'broken', retries: 5 },
        { name: 'child', kind: 'note', needs: ['bad'] },
        { name: 'grandchild', kind: 'note', needs: ['child'] },
        { name: 'aside', kind: 'note' },
      ]),
    )
    assert.equal(run.state, 'failed')
    assert.deepEqual(
      run.tasks.map((task) => [task.name, task.state, task.attempts]),
      [
        ['bad', 'failed', 1],
        ['child', 'skipped', 0],
        ['grandchild', 'skipped', 0],
        ['aside', 'succeeded', 1],
      ],
    )
    assert.deepEqual(trace, ['aside'])
  })

  test('retry starts again what did not succeed, and nothing else', async () => {
    failuresLeft = 1
    trace.length = 0
    const first = await here(
      request('again', [
        { name: 'before', kind: 'note' },
        { name: 'flaky', kind: 'flaky', needs: ['before'] },
        { name: 'behind', kind: 'note', needs: ['flaky'] },
      ]),
    )
    assert.equal(first.state, 'failed')
    await stage.engine.retry(first.id, 'test')
    const stop = new AbortController()
    const working = stage.engine.work({ context: stage.context, signal: stop.signal, onlyRun: first.id })
    while ((await stage.engine.get(first.id))?.state !== 'succeeded') await systemClock.sleep(10)
    stop.abort()
    await working
    assert.deepEqual(trace, ['before', 'behind'])
    await assert.rejects(stage.engine.retry(first.id, 'test'), {
      code: 'runs.not-ended',
      message: `run ${first.id} cannot be tried again: it is succeeded`,
    })
  })

  test('a time-out stops the task and fails it', async () => {
    const run = await here(request('slow', [{ name: 'a', kind: 'hang', timeoutMs: 50 }]))
    assert.equal(run.state, 'failed')
    assert.deepEqual(run.tasks[0]?.error, {
      code: 'runs.timed-out',
      message: 'task "a" was stopped: it took longer than 50 ms',
      hint: 'raise the timeout of the task, or find out what made it slow',
    })
  })

  test('cancel stops running tasks and keeps waiting ones from starting', async () => {
    const { runId } = await stage.engine.submit(
      request('stop', [
        { name: 'a', kind: 'hang' },
        { name: 'b', kind: 'note', needs: ['a'] },
      ]),
    )
    const stop = new AbortController()
    const working = stage.engine.work({ context: stage.context, signal: stop.signal })
    while ((await stage.engine.get(runId))?.state !== 'running') await systemClock.sleep(10)
    await stage.engine.cancel(runId, 'joe')
    while ((await stage.engine.get(runId))?.state !== 'cancelled') await systemClock.sleep(10)
    stop.abort()
    await working
    const run = await stage.engine.get(runId)
    assert.deepEqual(
      run?.tasks.map((task) => task.state),
      ['cancelled', 'cancelled'],
    )
    assert.equal(run?.tasks[0]?.error?.message, 'task "a" was cancelled by joe')
    await assert.rejects(stage.engine.cancel(runId, 'joe'), {
      code: 'runs.already-ended',
      message: `run ${runId} has already ended: cancelled`,
    })
  })

  test('aborting runHere cancels the run', async () => {
    const stop = new AbortController()
    const running = here(request('abort', [{ name: 'a', kind: 'hang' }]), stop.signal)
    setTimeout(() => stop.abort(), 100)
    assert.equal((await running).state, 'cancelled')
  })

  test('drain hands a task back when the grace time is over', async () => {
    const { runId } = await stage.engine.submit(request('drain', [{ name: 'a', kind: 'hang' }]))
    const stop = new AbortController()
    const working = stage.engine.work({ context: stage.context, signal: stop.signal })
    while ((await stage.engine.get(runId))?.tasks[0]?.state !== 'running') await systemClock.sleep(10)
    stop.abort()
    await working
    const run = await stage.engine.get(runId)
    assert.equal(run?.state, 'running')
    assert.equal(run?.tasks[0]?.state, 'ready')
    await stage.engine.cancel(runId, 'test')
    assert.equal((await stage.engine.get(runId))?.state, 'cancelled')
  })

  test('the same idempotency key gives the run made first', async () => {
    const asked = request('once', [{ name: 'a', kind: 'note' }], { idempotencyKey: 'k1' })
    const first = await stage.engine.submit(asked)
    const second = await stage.engine.submit(asked)
    assert.deepEqual(second, { runId: first.runId, created: false })
    assert.equal((await here(asked)).id, first.runId)
  })

  test('log lines and progress are kept, passwords are not', async () => {
    const run = await here(request('talk', [{ name: 'a', kind: 'talk' }]))
    const log = await stage.engine.log(run.id, {})
    assert.deepEqual(
      log.map((line) => [line.task, line.text]),
      [
        ['a', 'first'],
        ['a', 'second, to postgresql://joe:***@host/db'],
      ],
    )
    assert.equal((await stage.engine.log(run.id, { afterLine: log[0]!.line })).length, 1)
    assert.deepEqual(run.tasks[0]?.progress, { phase: 'talking', done: 2, total: 2 })
  })

  test('what cannot be run is refused before it is stored', async () => {
    const refused = (tasks: Parameters<typeof request>[1], message: string) =>
      assert.rejects(stage.engine.submit(request('bad', tasks)), (error: Error) => {
        assert.equal(error.message, message)
        return true
      })
    await refused([], 'the tasks of "bad" cannot be run: there is none')
    await refused(
      [{ name: 'a', kind: 'note', needs: ['x'] }],
      'the tasks of "bad" cannot be run: "a" needs "x", which does not exist',
    )
    await refused(
      [
        { name: 'a', kind: 'note', needs: ['b'] },
        { name: 'b', kind: 'note', needs: ['a'] },
      ],
      'the tasks of "bad" cannot be run: they wait for each other: a needs b needs a',
    )
    await refused([{ name: 'a', kind: 'nota' }], 'task "a" is of an unknown kind "nota"')
    await refused([{ name: 'a', kind: 'note', pools: { tape: 1 } }], 'task "a" draws on an unknown pool "tape"')
    await refused(
      [{ name: 'a', kind: 'note', pools: { disk: 2 } }],
      'task "a" wants 2 slots of pool "disk", which has 1',
    )
    assert.equal((await stage.engine.list({ pipeline: 'bad', limit: 1 })).length, 0)
  })
})
