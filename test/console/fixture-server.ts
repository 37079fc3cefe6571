// The real server and the real assurance over made-up rooms: `node test/console/fixture-server.ts good 7781`. Any password is right.
import { room as assurance } from '../../src/assurance/room.ts'
import type { Context } from '../../src/base/room.ts'
import type { Accounts } from '../../src/server/accounts.ts'
import { createApplication } from '../../src/server/http/application.ts'
import { EventHub } from '../../src/server/http/events.ts'
import { builtConsole } from '../../src/server/http/pages.ts'
import { room as server } from '../../src/server/room.ts'
import { testContext } from '../support/context.ts'
import { fixtureRoom, type Scenario } from './fixtures.ts'

export interface FixtureServer extends AsyncDisposable {
  readonly url: string
  readonly context: Context
}

const session = { name: 'admin', role: 'admin', expiresAt: new Date(Date.UTC(2030, 0)) } as const

/** Accounts without a database: one password is wrong, every other is right. */
const accounts = {
  ensureAdmin: async () => undefined,
  logIn: async (_name: string, password: string) => {
    if (password === 'wrong') throw (await import('../../src/server/errors.ts')).errors.wrongPassword(undefined)
    return { token: 'token', session }
  },
  find: async (token: string) => (token === 'token' ? session : undefined),
  logOut: async () => {},
} as unknown as Accounts

export async function startFixtureServer(scenario: Scenario, port = 0, pages = builtConsole): Promise<FixtureServer> {
  const scope = new AsyncDisposableStack()
  const context = testContext({ home: '/nowhere', rooms: [fixtureRoom(scenario), assurance, server] }, scope)
  const hub = new EventHub(context)
  const settings = { listen: { host: '127.0.0.1', port }, session: 3_600_000 }
  const app = await createApplication({
    context,
    settings,
    accounts,
    hub,
    tls: undefined,
    console: pages,
    version: '0.1.0',
    triesPerMinute: 100,
  })
  const life = new AbortController()
  await app.listen({ host: '127.0.0.1', port })
  void hub.run(life.signal)
  const bound = app.server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${bound.port}`,
    context,
    [Symbol.asyncDispose]: async () => {
      life.abort()
      hub.close()
      await app.close()
      await scope.disposeAsync()
    },
  }
}

if (process.argv[1] === import.meta.filename) {
  const started = await startFixtureServer((process.argv[2] ?? 'good') as Scenario, Number(process.argv[3] ?? 0))
  console.log(started.url)
}
