// Operations over HTTP, errors, runs, metrics, events.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { controlDatabase } from '../../src/control/contract.ts'
import { runEngine } from '../../src/runs/contract.ts'
import type { RunAccepted, RunJson } from '../../src/server/contract.ts'
import { calls, failure, logIn, openStage, post, send, type Stage } from './stage.ts'

describe('HTTP', () => {
  let stage: Stage
  before(async () => {
    stage = await openStage()
    await logIn(stage)
  })
  after(() => stage[Symbol.asyncDispose]())

  test('reading is GET: numbers, flags and lists are read as the schema wants; 64-bit numbers are text', async () => {
    const response = await send(stage, '/api/thing/show?name=7&count=2&flag=true&tags=x&tags=y')
    assert.deepEqual(await response.json(), {
      name: '7',
      count: 2,
      flag: true,
      tags: ['x', 'y'],
      big: '1152921504606846976',
    })
    assert.deepEqual(await failure(await send(stage, '/api/thing/show?name=a&cuont=2')), {
      status: 400,
      code: 'server.bad-input',
      message: 'cuont: unknown parameter (known: name, count, flag, tags)',
      hint: 'the accepted fields of each operation are at /openapi.json',
    })
    const bad = await failure(await send(stage, '/api/thing/show?name=a&count=two'))
    assert.equal(bad.status, 400)
    assert.equal(bad.at, 'count')
  })

  test('errors carry code, message and hint; a defect says nothing of its inside', async () => {
    assert.deepEqual(await failure(await send(stage, '/api/thing/show?name=gone')), {
      status: 404,
      code: 'test.gone',
      message: 'no thing is called "gone"',
      hint: 'look again',
    })
    const defect = await send(stage, '/api/thing/show?name=defect')
    assert.equal(defect.status, 500)
    assert.ok(!(await defect.text()).includes('secret'))
    assert.equal((await failure(await send(stage, '/api/nothing'))).status, 404)
    assert.equal(
      (
        await failure(
          await send(stage, '/api/thing/make', {
            method: 'POST',
            body: '{',
            headers: { 'content-type': 'application/json' },
          }),
        )
      ).status,
      400,
    )
  })

  test('an operation on a worker becomes a run; the same idempotency key is the same run', async () => {
    const key = { 'idempotency-key': 'once-1' }
    const first = await post(stage, '/api/thing/make', { name: 'one' }, key)
    assert.equal(first.status, 202)
    const accepted = (await first.json()) as RunAccepted
    const again = (await (await post(stage, '/api/thing/make', { name: 'one' }, key)).json()) as RunAccepted
    assert.deepEqual([again.runId, again.created], [accepted.runId, false])
    const engine = await stage.context.use(runEngine)
    const working = new AbortController()
    const work = engine.work({ context: stage.context, signal: working.signal, onlyRun: accepted.runId })
    let run: RunJson
    do run = (await (await send(stage, `/api/run/show?run=${accepted.runId}`)).json()) as RunJson
    while (run.state === 'queued' || run.state === 'running')
    working.abort()
    await work
    assert.equal(run.state, 'succeeded')
    assert.deepEqual(run.tasks[0]?.result, { made: 'one' })
    assert.deepEqual(calls, ['one'])
    const other = (await (await post(stage, '/api/thing/make', { name: 'one' })).json()) as RunAccepted
    assert.notEqual(other.runId, accepted.runId)
    const cancelled = (await (await post(stage, '/api/run/cancel', { run: other.runId })).json()) as RunJson
    assert.equal(cancelled.state, 'cancelled')
    assert.equal((await failure(await send(stage, '/api/run/show?run=none'))).status, 404)
  })

  test('the page policy allows nothing inline and nothing from elsewhere', async () => {
    const policy = (await send(stage, '/api/session')).headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /script-src 'self'(;|$)/)
    assert.ok(!policy.includes('unsafe'))
    assert.ok(!policy.includes('http'))
  })

  test('metrics are OpenMetrics; a source that fails is told of and spoils nothing', async () => {
    const response = await fetch(`${stage.url}/metrics`)
    assert.match(response.headers.get('content-type') ?? '', /^application\/openmetrics-text; version=1\.0\.0/)
    const text = await response.text()
    assert.ok(text.endsWith('# EOF\n'))
    assert.ok(
      text.includes(
        '# TYPE things counter\n# HELP things Things \\"made\\".\\nAll of them.\nthings_total{kind="a\\"b"} 3\n',
      ),
      text,
    )
    assert.ok(text.includes('wharf_metric_source_failed{source="broken"} 1'))
    const proxied = await fetch(`${stage.url}/metrics`, { headers: { 'x-forwarded-for': '203.0.113.9' } })
    assert.equal(proxied.status, 403)
  })

  test('events arrive, and a client that comes back gets what it missed', async () => {
    const sql = await stage.context.use(controlDatabase)
    const frames = async (headers: Record<string, string>, wanted: number, during: () => Promise<void>) => {
      const stop = new AbortController()
      const response = await send(stage, '/api/events', { headers, signal: stop.signal })
      assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
      await during()
      const found: { id: string; subject: string }[] = []
      let text = ''
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk
        const complete = text.split('\n\n').slice(0, -1)
        found.splice(
          0,
          found.length,
          ...complete
            .filter((one) => one.includes('event: control'))
            .map((one) => JSON.parse(/^data: (.*)$/m.exec(one)![1]!) as { id: string; subject: string }),
        )
        if (found.filter((one) => one.subject.startsWith('thing ')).length >= wanted) break
      }
      stop.abort()
      return found.filter((one) => one.subject.startsWith('thing '))
    }
    const emit = (subject: string) => sql.emit({ kind: 'things.made', subject, data: { n: 1 } })
    const [first] = await frames({}, 1, () => emit('thing 1'))
    assert.equal(first?.subject, 'thing 1')
    await emit('thing 2')
    await emit('thing 3')
    const missed = await frames({ 'last-event-id': first?.id ?? '' }, 2, async () => {})
    assert.deepEqual(
      missed.map((one) => one.subject),
      ['thing 2', 'thing 3'],
    )
  })
})
