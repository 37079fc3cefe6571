// The server over a real control database, with operations of the test: one endpoint each, log-in, events, metrics.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { z } from 'zod'

import { defineErrors } from '../../src/base/errors.ts'
import { defineOperation } from '../../src/base/operation.ts'
import { metricSources, offer, type Context, type Room } from '../../src/base/room.ts'
import { controlDatabase } from '../../src/control/contract.ts'
import { room as control } from '../../src/control/room.ts'
import { runEngine } from '../../src/runs/contract.ts'
import { room as runs } from '../../src/runs/room.ts'
import { consoleServer, type ConsoleServer, type RunAccepted, type RunJson } from '../../src/server/contract.ts'
import { room as server } from '../../src/server/room.ts'
import { room as warehouse } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'
import { startServer, type TestServer } from '../support/postgres.ts'

const errors = defineErrors('test', {
  gone: { exit: 'notFound', message: (name: string) => `no thing is called "${name}"`, hint: () => 'look again' },
})
const common = { output: z.unknown(), errors: [], needs: 'nothing', text: String } as const
const calls: string[] = []

const operations = [
  defineOperation({
    ...common,
    name: 'thing show',
    summary: 'show',
    input: z.strictObject({
      name: z.string(),
      count: z.number().default(1),
      flag: z.boolean().optional(),
      tags: z.array(z.string()).default([]),
    }),
    role: 'viewer',
    danger: 'none',
    where: 'here',
    run: async (input) => {
      if (input.name === 'gone') throw errors.gone(input.name)
      if (input.name === 'defect') throw new Error('secret inside')
      return { ...input, big: 2n ** 60n }
    },
  }),
  defineOperation({
    ...common,
    name: 'thing make',
    summary: 'make',
    input: z.strictObject({ name: z.string() }),
    role: 'operator',
    danger: 'writes',
    where: 'run',
    run: async ({ name }, context) => {
      calls.push(name)
      context.progress({ phase: 'making', done: 1, total: 1 })
      return { made: name }
    },
  }),
  defineOperation({
    ...common,
    name: 'thing drop',
    summary: 'drop',
    input: z.strictObject({ name: z.string() }),
    role: 'admin',
    danger: 'destroys',
    where: 'here',
    run: async ({ name }, context) => ({ dropped: name, by: context.actor }),
  }),
]

const things: Room = {
  name: 'things',
  summary: 'of the test',
  operations,
  offers: [
    offer(metricSources, {
      name: 'things',
      gather: async () => [
        {
          name: 'things_total',
          help: 'Things "made".\nAll of them.',
          type: 'counter',
          samples: [{ labels: { kind: 'a"b' }, value: 3 }],
        },
      ],
    }),
    offer(metricSources, {
      name: 'broken',
      gather: async () => {
        throw new Error('no')
      },
    }),
  ],
}

describe('HTTP', () => {
  let database: TestServer
  let context: Context
  let console_: ConsoleServer
  let url: string
  let password: string
  let cookie = ''
  const scope = new AsyncDisposableStack()
  const life = new AbortController()

  before(async () => {
    database = await startServer({ major: 18 })
    const config = { control: { url: database.url }, server: { listen: '127.0.0.1:0' } }
    context = testContext({ home: '/nonexistent', rooms: [warehouse, control, runs, things, server], config }, scope)
    console_ = await context.use(consoleServer)
    password = (await console_.ensureAdmin())!.password
    url = (await console_.start(life.signal)).url
  })
  after(async () => {
    life.abort()
    await console_.stop()
    await scope.disposeAsync()
    await database[Symbol.asyncDispose]()
  })

  const send = (path: string, init: RequestInit = {}) =>
    fetch(url + path, { ...init, headers: { cookie, ...init.headers } })
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    send(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    })
  const failure = async (response: Response) => ({
    status: response.status,
    ...((await response.json()) as { error: object }).error,
  })

  test('the first admin is made once', async () => {
    assert.match(password, /^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/)
    assert.equal(await console_.ensureAdmin(), undefined)
    const rows = await (
      await context.use(controlDatabase)
    ).query<{ password: string }>('select password from server.account')
    assert.match(rows[0]!.password, /^scrypt\$131072\$8\$1\$/)
    assert.ok(!rows[0]!.password.includes(password))
  })

  test('without a session nothing but health, OpenAPI and log-in answers', async () => {
    for (const path of ['/api/thing/show?name=a', '/api/operations', '/api/events', '/api/session', '/api/run/list']) {
      assert.equal((await send(path)).status, 401, path)
    }
    assert.deepEqual(await failure(await post('/api/thing/make', { name: 'a' })), {
      status: 401,
      code: 'server.not-logged-in',
      message: 'not logged in',
      hint: 'log in at /login, or POST /api/session with account and password',
    })
    assert.equal((await send('/livez')).status, 200)
    assert.equal((await send('/readyz')).status, 200)
    assert.equal((await send('/openapi.json')).status, 200)
  })

  test('log-in: a wrong password is refused, a right one gives a strict cookie that only HTTP sees', async () => {
    const wrong = await failure(await post('/api/session', { account: 'admin', password: 'nope' }))
    assert.deepEqual([wrong.status, 'message' in wrong && wrong.message], [401, 'account or password is wrong'])
    const response = await post('/api/session', { account: 'admin', password })
    assert.equal(response.status, 200)
    const set = response.headers.get('set-cookie') ?? ''
    assert.match(set, /HttpOnly/)
    assert.match(set, /SameSite=Strict/)
    cookie = set.split(';')[0]!
    assert.equal(((await (await send('/api/session')).json()) as { role: string }).role, 'admin')
    const stored = await (
      await context.use(controlDatabase)
    ).query<{ token: Buffer }>('select token_sha256 as token from server.session')
    assert.ok(!cookie.includes(stored[0]!.token.toString('base64url')), 'the token itself is not in the database')
  })

  test('reading is GET: numbers, flags and lists are read as the schema wants; 64-bit numbers are text', async () => {
    const response = await send('/api/thing/show?name=7&count=2&flag=true&tags=x&tags=y')
    assert.deepEqual(await response.json(), {
      name: '7',
      count: 2,
      flag: true,
      tags: ['x', 'y'],
      big: '1152921504606846976',
    })
    assert.deepEqual(await failure(await send('/api/thing/show?name=a&cuont=2')), {
      status: 400,
      code: 'server.bad-input',
      message: 'cuont: unknown parameter (known: name, count, flag, tags)',
      hint: 'the accepted fields of each operation are at /openapi.json',
    })
    const bad = await failure(await send('/api/thing/show?name=a&count=two'))
    assert.equal(bad.status, 400)
    assert.equal('at' in bad && bad.at, 'count')
  })

  test('errors carry code, message and hint; a defect says nothing of its inside', async () => {
    assert.deepEqual(await failure(await send('/api/thing/show?name=gone')), {
      status: 404,
      code: 'test.gone',
      message: 'no thing is called "gone"',
      hint: 'look again',
    })
    const defect = await send('/api/thing/show?name=defect')
    assert.equal(defect.status, 500)
    assert.ok(!(await defect.text()).includes('secret'))
    assert.equal((await failure(await send('/api/nothing'))).status, 404)
    assert.equal(
      (
        await failure(
          await send('/api/thing/make', { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } }),
        )
      ).status,
      400,
    )
  })

  test('an operation on a worker becomes a run; the same idempotency key is the same run', async () => {
    const key = { 'idempotency-key': 'once-1' }
    const first = await post('/api/thing/make', { name: 'one' }, key)
    assert.equal(first.status, 202)
    const accepted = (await first.json()) as RunAccepted
    const again = (await (await post('/api/thing/make', { name: 'one' }, key)).json()) as RunAccepted
    assert.deepEqual([again.runId, again.created], [accepted.runId, false])
    const engine = await context.use(runEngine)
    const working = new AbortController()
    const work = engine.work({ context, signal: working.signal, onlyRun: accepted.runId })
    let run: RunJson
    do run = (await (await send(`/api/run/show?run=${accepted.runId}`)).json()) as RunJson
    while (run.state === 'queued' || run.state === 'running')
    working.abort()
    await work
    assert.equal(run.state, 'succeeded')
    assert.deepEqual(run.tasks[0]?.result, { made: 'one' })
    assert.deepEqual(calls, ['one'])
    const other = (await (await post('/api/thing/make', { name: 'one' })).json()) as RunAccepted
    assert.notEqual(other.runId, accepted.runId)
    const cancelled = (await (await post('/api/run/cancel', { run: other.runId })).json()) as RunJson
    assert.equal(cancelled.state, 'cancelled')
    assert.equal((await failure(await send('/api/run/show?run=none'))).status, 404)
  })

  test('what destroys must be confirmed, and everything that changes is on record', async () => {
    assert.deepEqual(await failure(await post('/api/thing/drop', { name: 'x' })), {
      status: 428,
      code: 'server.confirmation-missing',
      message: '"thing drop" destroys something and was not confirmed',
      hint: 'send the header "Wharf-Confirm: yes" once the consequences are clear',
    })
    const done = await post('/api/thing/drop', { name: 'x' }, { 'wharf-confirm': 'yes' })
    assert.deepEqual(await done.json(), { dropped: 'x', by: 'admin' })
    const rows = await (
      await context.use(controlDatabase)
    ).query<{ action: string }>("select action from control.audit where actor = 'admin' order by id")
    assert.deepEqual(
      rows.map((row) => row.action).filter((action) => action !== 'log in'),
      ['thing make', 'thing make', 'thing make', 'run cancel', 'thing drop'],
    )
  })

  test('roles are those of the operations', async () => {
    const sql = await context.use(controlDatabase)
    await sql.query("update server.account set role = 'viewer'")
    assert.equal((await send('/api/thing/show?name=a')).status, 200)
    assert.deepEqual(await failure(await post('/api/thing/make', { name: 'a' })), {
      status: 403,
      code: 'server.role-too-low',
      message: '"thing make" needs the role operator, this account is viewer',
      hint: 'ask an admin',
    })
    const listed = (await (await send('/api/operations')).json()) as { operations: { name: string }[] }
    const names = listed.operations.map((one) => one.name)
    assert.ok(
      names.includes('thing show') && !names.includes('thing make') && !names.includes('run cancel'),
      names.join(),
    )
    await sql.query("update server.account set role = 'admin'")
  })

  test('a page of another origin changes nothing, and a foreign host name is not answered', async () => {
    const foreign = await failure(
      await post('/api/thing/drop', { name: 'x' }, { 'wharf-confirm': 'yes', origin: 'https://evil.example' }),
    )
    assert.deepEqual([foreign.status, 'code' in foreign && foreign.code], [403, 'server.foreign-origin'])
    assert.equal(
      (await post('/api/thing/drop', { name: 'x' }, { 'wharf-confirm': 'yes', 'sec-fetch-site': 'cross-site' })).status,
      403,
    )
    assert.equal((await post('/api/thing/drop', { name: 'x' }, { 'wharf-confirm': 'yes', origin: url })).status, 200)
    const { request } = await import('node:http')
    const status = await new Promise<number | undefined>((resolve) => {
      request(`${url}/livez`, { headers: { host: 'evil.example' } }, (response) => resolve(response.statusCode)).end()
    })
    assert.equal(status, 403)
  })

  test('the page policy allows nothing inline and nothing from elsewhere', async () => {
    const policy = (await send('/api/session')).headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /script-src 'self'(;|$)/)
    assert.ok(!policy.includes('unsafe'))
    assert.ok(!policy.includes('http'))
  })

  test('metrics are OpenMetrics; a source that fails is told of and spoils nothing', async () => {
    const response = await fetch(`${url}/metrics`)
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
    const proxied = await fetch(`${url}/metrics`, { headers: { 'x-forwarded-for': '203.0.113.9' } })
    assert.equal(proxied.status, 403)
  })

  test('events arrive, and a client that comes back gets what it missed', async () => {
    const sql = await context.use(controlDatabase)
    const frames = async (headers: Record<string, string>, wanted: number, during: () => Promise<void>) => {
      const stop = new AbortController()
      const response = await send('/api/events', { headers, signal: stop.signal })
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
    const missed = await frames({ 'last-event-id': first!.id }, 2, async () => {})
    assert.deepEqual(
      missed.map((one) => one.subject),
      ['thing 2', 'thing 3'],
    )
  })

  test('a new password ends the sessions, and log-in tries are limited', async () => {
    const operation = server.operations!.find((one) => one.name === 'admin password')!
    const tools = { ...context, progress: () => {}, confirm: async () => true, actor: 'root@test' }
    const { password: fresh } = (await operation.run({ account: 'admin' }, tools, life.signal)) as { password: string }
    assert.equal((await send('/api/session')).status, 401)
    assert.equal((await post('/api/session', { account: 'admin', password })).status, 401)
    assert.equal((await post('/api/session', { account: 'admin', password: fresh })).status, 200)
    await assert.rejects(operation.run({ account: 'nobody' }, tools, life.signal), { code: 'server.unknown-account' })
    const statuses = await Promise.all(
      Array.from({ length: 12 }, () => post('/api/session', {}).then((one) => one.status)),
    )
    assert.ok(statuses.includes(429), statuses.join())
    const limited = await failure(await post('/api/session', { account: 'admin', password: fresh }))
    assert.deepEqual([limited.status, 'code' in limited && limited.code], [429, 'server.too-many-tries'])
  })

  test('a taken port is one clear error', async () => {
    await using other = new AsyncDisposableStack()
    const port = new URL(url).port
    const config = { control: { url: database.url }, server: { listen: `127.0.0.1:${port}` } }
    const second = testContext({ home: '/nonexistent', rooms: [warehouse, control, runs, server], config }, other)
    await assert.rejects((await second.use(consoleServer)).start(life.signal), {
      code: 'server.port-taken',
      message: `cannot listen on 127.0.0.1 port ${port}: another program holds it`,
      hint: 'stop the other program (another "wharf up"?), or set another address: server: {listen: "127.0.0.1:7781"} in wharf.yaml',
    })
  })
})
