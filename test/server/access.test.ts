// Who may do what over HTTP: accounts, sessions, roles, origins, records; and the port.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { controlDatabase } from '../../src/control/contract.ts'
import { consoleServer } from '../../src/server/contract.ts'
import { room as server } from '../../src/server/room.ts'
import { contextOf, failure, logIn, openStage, post, send, type Stage } from './stage.ts'

describe('access', () => {
  let stage: Stage
  before(async () => {
    stage = await openStage()
  })
  after(() => stage[Symbol.asyncDispose]())

  test('the first admin is made once', async () => {
    assert.match(stage.password, /^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/)
    assert.equal(await stage.server.ensureAdmin(), undefined)
    const rows = await (
      await stage.context.use(controlDatabase)
    ).query<{ password: string }>('select password from server.account')
    assert.match(rows[0]!.password, /^scrypt\$131072\$8\$1\$/)
    assert.ok(!rows[0]!.password.includes(stage.password))
  })

  test('without a session nothing but health, OpenAPI and log-in answers', async () => {
    for (const path of ['/api/thing/show?name=a', '/api/operations', '/api/events', '/api/session', '/api/run/list']) {
      assert.equal((await send(stage, path)).status, 401, path)
    }
    assert.deepEqual(await failure(await post(stage, '/api/thing/make', { name: 'a' })), {
      status: 401,
      code: 'server.not-logged-in',
      message: 'not logged in',
      hint: 'log in at /login, or POST /api/session with account and password',
    })
    assert.equal((await send(stage, '/livez')).status, 200)
    assert.equal((await send(stage, '/readyz')).status, 200)
    assert.equal((await send(stage, '/openapi.json')).status, 200)
  })

  test('log-in: a wrong password is refused, a right one gives a strict cookie that only HTTP sees', async () => {
    const wrong = await failure(await post(stage, '/api/session', { account: 'admin', password: 'nope' }))
    assert.deepEqual([wrong.status, wrong.message], [401, 'account or password is wrong'])
    const set = await logIn(stage)
    assert.match(set, /HttpOnly/)
    assert.match(set, /SameSite=Strict/)
    assert.equal(((await (await send(stage, '/api/session')).json()) as { role: string }).role, 'admin')
    const stored = await (
      await stage.context.use(controlDatabase)
    ).query<{ token: Buffer }>('select token_sha256 as token from server.session')
    assert.ok(!stage.cookie.includes(stored[0]!.token.toString('base64url')), 'the token itself is not in the database')
  })

  test('what destroys must be confirmed, and everything that changes is on record', async () => {
    assert.deepEqual(await failure(await post(stage, '/api/thing/drop', { name: 'x' })), {
      status: 428,
      code: 'server.confirmation-missing',
      message: '"thing drop" destroys something and was not confirmed',
      hint: 'send the header "Wharf-Confirm: yes" once the consequences are clear',
    })
    assert.equal((await post(stage, '/api/thing/make', { name: 'y' })).status, 202)
    const done = await post(stage, '/api/thing/drop', { name: 'x' }, { 'wharf-confirm': 'yes' })
    assert.deepEqual(await done.json(), { dropped: 'x', by: 'admin' })
    const rows = await (
      await stage.context.use(controlDatabase)
    ).query<{ action: string }>("select action from control.audit where actor = 'admin' order by id")
    assert.deepEqual(
      rows.map((row) => row.action).filter((action) => action !== 'log in'),
      ['thing make', 'thing drop'],
    )
  })

  test('roles are those of the operations', async () => {
    const sql = await stage.context.use(controlDatabase)
    await sql.query("update server.account set role = 'viewer'")
    assert.equal((await send(stage, '/api/thing/show?name=a')).status, 200)
    assert.deepEqual(await failure(await post(stage, '/api/thing/make', { name: 'a' })), {
      status: 403,
      code: 'server.role-too-low',
      message: '"thing make" needs the role operator, this account is viewer',
      hint: 'ask an admin',
    })
    const listed = (await (await send(stage, '/api/operations')).json()) as { operations: { name: string }[] }
    const names = listed.operations.map((one) => one.name)
    assert.ok(
      names.includes('thing show') && !names.includes('thing make') && !names.includes('run cancel'),
      names.join(),
    )
    await sql.query("update server.account set role = 'admin'")
  })

  test('a page of another origin changes nothing, and a foreign host name is not answered', async () => {
    const foreign = await failure(
      await post(stage, '/api/thing/drop', { name: 'x' }, { 'wharf-confirm': 'yes', origin: 'https://evil.example' }),
    )
    assert.deepEqual([foreign.status, foreign.code], [403, 'server.foreign-origin'])
    assert.equal(
      (await post(stage, '/api/thing/drop', { name: 'x' }, { 'wharf-confirm': 'yes', 'sec-fetch-site': 'cross-site' }))
        .status,
      403,
    )
    assert.equal(
      (await post(stage, '/api/thing/drop', { name: 'x' }, { 'wharf-confirm': 'yes', origin: stage.url })).status,
      200,
    )
    const { request } = await import('node:http')
    const status = await new Promise<number | undefined>((resolve) => {
      request(`${stage.url}/livez`, { headers: { host: 'evil.example' } }, (response) =>
        resolve(response.statusCode),
      ).end()
    })
    assert.equal(status, 403)
  })

  test('a new password ends the sessions, and log-in tries are limited', async () => {
    const operation = server.operations!.find((one) => one.name === 'admin password')!
    const tools = { ...stage.context, progress: () => {}, confirm: async () => true, actor: 'root@test' }
    const { password: fresh } = (await operation.run({ account: 'admin' }, tools, new AbortController().signal)) as {
      password: string
    }
    assert.equal((await send(stage, '/api/session')).status, 401)
    assert.equal((await post(stage, '/api/session', { account: 'admin', password: stage.password })).status, 401)
    assert.equal((await post(stage, '/api/session', { account: 'admin', password: fresh })).status, 200)
    await assert.rejects(operation.run({ account: 'nobody' }, tools, new AbortController().signal), {
      code: 'server.unknown-account',
    })
    const statuses = await Promise.all(
      Array.from({ length: 12 }, () => post(stage, '/api/session', {}).then((one) => one.status)),
    )
    assert.ok(statuses.includes(429), statuses.join())
    const limited = await failure(await post(stage, '/api/session', { account: 'admin', password: fresh }))
    assert.deepEqual([limited.status, limited.code], [429, 'server.too-many-tries'])
  })

  test('a taken port is one clear error', async () => {
    await using other = new AsyncDisposableStack()
    const port = new URL(stage.url).port
    const second = contextOf(stage.database, `127.0.0.1:${port}`, other)
    await assert.rejects((await second.use(consoleServer)).start(new AbortController().signal), {
      code: 'server.port-taken',
      message: `cannot listen on 127.0.0.1 port ${port}: another program holds it`,
      hint: 'stop the other program (another "wharf up"?), or set another address: server: {listen: "127.0.0.1:7781"} in wharf.yaml',
    })
  })
})
