// The server as a service: first admin, listen, stop. And as a daemon of `wharf up`.
import { readFile } from 'node:fs/promises'

import type { FastifyInstance } from 'fastify'

import { codeOf, messageOf } from '../base/errors.ts'
import { serviceKey, type Context, type Daemon } from '../base/room.ts'
import type { ControlDatabase } from '../control/contract.ts'
import { Accounts } from './accounts.ts'
import { serverSection, type ListenAddress, type ServerSettings } from './config.ts'
import { consoleServer, type ConsoleServer } from './contract.ts'
import { errors } from './errors.ts'
import { EventHub } from './http/events.ts'

const controlDatabase = serviceKey<ControlDatabase>('control database')
const TRIES_PER_MINUTE = 10
const THIS_MACHINE = '127.0.0.1'

/** Builds the service; nothing listens before start(). */
export async function buildConsoleServer(context: Context, console?: string): Promise<ConsoleServer> {
  const accounts = new Accounts(await context.use(controlDatabase), context)
  return new Listener(context, accounts, console)
}

class Listener implements ConsoleServer {
  private readonly context: Context
  private readonly accounts: Accounts
  private readonly console: string | undefined
  private hub: EventHub | undefined
  private app: FastifyInstance | undefined

  constructor(context: Context, accounts: Accounts, console: string | undefined) {
    this.context = context
    this.accounts = accounts
    this.console = console
  }

  ensureAdmin(): Promise<{ account: string; password: string } | undefined> {
    return this.accounts.ensureAdmin()
  }

  async start(signal: AbortSignal): Promise<{ url: string }> {
    const settings = this.context.section(serverSection)
    // Only who listens loads the web framework: it is a quarter of the start of every command.
    const [{ createApplication, packageVersion }, { builtConsole }] = await Promise.all([
      import('./http/application.ts'),
      import('./http/pages.ts'),
    ])
    const tls = await readTls(settings)
    const hub = new EventHub(this.context)
    const app = await createApplication({
      context: this.context,
      settings,
      accounts: this.accounts,
      hub,
      tls,
      console: this.console ?? builtConsole,
      version: packageVersion(),
      triesPerMinute: TRIES_PER_MINUTE,
    })
    await listen(app, settings.listen)
    this.app = app
    this.hub = hub
    void hub.run(signal)
    return { url: urlOf(app, settings) }
  }

  async stop(): Promise<void> {
    this.hub?.close()
    await this.app?.close()
    this.app = undefined
  }
}

async function listen(app: FastifyInstance, at: ListenAddress): Promise<void> {
  try {
    await app.listen({ host: at.host, port: at.port })
  } catch (error) {
    await app.close()
    const code = codeOf(error)
    if (code === 'EADDRINUSE') throw errors.portTaken(at, { cause: error })
    if (code === 'EACCES') throw errors.portDenied(at, { cause: error })
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') throw errors.addressUnknown(at, { cause: error })
    throw errors.listenFailed({ ...at, why: messageOf(error) }, { cause: error })
  }
}

async function readTls(settings: ServerSettings): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  if (settings.tls === undefined) return undefined
  const read = async (file: string) => {
    try {
      return await readFile(file)
    } catch (error) {
      throw errors.tlsUnreadable({ file, why: messageOf(error) }, { cause: error })
    }
  }
  return { cert: await read(settings.tls.certificate), key: await read(settings.tls.key) }
}

/** The address for people: the public one where it is set, else where we really listen (port 0 is resolved). */
function urlOf(app: FastifyInstance, settings: ServerSettings): string {
  if (settings.public_url !== undefined) return settings.public_url
  const bound = app.server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : settings.listen.port
  const host = settings.listen.host === '0.0.0.0' ? THIS_MACHINE : settings.listen.host
  return `${settings.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Listens for as long as `wharf up` runs. The first admin's password is announced once: the log would redact it. */
export const serverDaemon: Daemon = {
  name: 'server',
  run: async (context, signal, tools) => {
    const server = await context.use(consoleServer)
    const { url } = await server.start(signal)
    try {
      const first = await server.ensureAdmin()
      tools.announce(`console: ${url}`)
      tools.announce(
        first
          ? `log in as ${first.account} with the password ${first.password} (shown this once; "wharf admin password" sets a new one)`
          : 'log in with your account ("wharf admin password" sets a new password)',
      )
      await untilAborted(signal)
    } finally {
      await server.stop()
    }
  },
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
