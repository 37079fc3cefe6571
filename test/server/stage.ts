// A server over a real control database, with operations of the test: one endpoint each.
import { z } from 'zod'

import { defineErrors } from '../../src/base/errors.ts'
import { defineOperation } from '../../src/base/operation.ts'
import { metricSources, offer, type Context, type Room } from '../../src/base/room.ts'
import { room as control } from '../../src/control/room.ts'
import { room as runs } from '../../src/runs/room.ts'
import { consoleServer, type ConsoleServer } from '../../src/server/contract.ts'
import { room as server } from '../../src/server/room.ts'
import { room as warehouse } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'
import { startServer, type TestServer } from '../support/postgres.ts'

const errors = defineErrors('test', {
  gone: { exit: 'notFound', message: (name: string) => `no thing is called "${name}"`, hint: () => 'look again' },
})
const common = { output: z.unknown(), errors: [], needs: 'nothing', text: String } as const
/** Names that `thing make` was called with. */
export const calls: string[] = []

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

export interface Stage extends AsyncDisposable {
  readonly context: Context
  readonly database: TestServer
  readonly server: ConsoleServer
  readonly url: string
  /** Of the account `admin`. */
  readonly password: string
  /** Sent with every request; set by logIn(). */
  cookie: string
}

export async function openStage(): Promise<Stage> {
  const scope = new AsyncDisposableStack()
  const database = scope.use(await startServer({ major: 18 }))
  const context = contextOf(database, '127.0.0.1:0', scope)
  const listener = await context.use(consoleServer)
  const { password } = (await listener.ensureAdmin())!
  const life = new AbortController()
  const { url } = await listener.start(life.signal)
  scope.defer(async () => {
    life.abort()
    await listener.stop()
  })
  return {
    context,
    database,
    server: listener,
    url,
    password,
    cookie: '',
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

/** One more process' worth of rooms on the same control database. */
export function contextOf(database: TestServer, listen: string, scope: AsyncDisposableStack): Context {
  const config = { control: { url: database.url }, server: { listen } }
  return testContext({ home: '/nonexistent', rooms: [warehouse, control, runs, things, server], config }, scope)
}

type Headers = Readonly<Record<string, string>>
export type Request = Omit<RequestInit, 'headers'> & { readonly headers?: Headers }

export function send(stage: Stage, path: string, request: Request = {}): Promise<Response> {
  return fetch(stage.url + path, { ...request, headers: { cookie: stage.cookie, ...request.headers } })
}

export function post(stage: Stage, path: string, body: unknown, headers: Headers = {}): Promise<Response> {
  return send(stage, path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  })
}

/** The error of an answer, with its status. */
export async function failure(
  response: Response,
): Promise<{ status: number; code?: string; message?: string; hint?: string; at?: string }> {
  return { status: response.status, ...((await response.json()) as { error: object }).error }
}

/** Logs admin in; the answer's Set-Cookie. */
export async function logIn(stage: Stage): Promise<string> {
  const response = await post(stage, '/api/session', { account: 'admin', password: stage.password })
  const set = response.headers.get('set-cookie') ?? ''
  stage.cookie = set.split(';')[0]!
  return set
}
