// The HTTP application: everything registered, not yet listening. Tests inject requests into it.
import { readFileSync } from 'node:fs'

import cookie from '@fastify/cookie'
import { fastify, type FastifyError, type FastifyInstance } from 'fastify'

import { isWharfError } from '../../base/errors.ts'
import { serviceKey, type Context } from '../../base/room.ts'
import type { ControlDatabase } from '../../control/contract.ts'
import type { Accounts } from '../accounts.ts'
import type { ServerSettings } from '../config.ts'
import { errors } from '../errors.ts'
import { defect, sendError, sendJson } from './answers.ts'
import { eventsRoute, type EventHub } from './events.ts'
import { metricsRoute } from './metrics.ts'
import { openApi } from './openapi.ts'
import { operationRoutes, operationsOf } from './operations.ts'
import { consolePages } from './pages.ts'
import { secure } from './security.ts'
import { sessionRoutes, Sessions } from './session.ts'

export interface ApplicationParts {
  readonly context: Context
  readonly settings: ServerSettings
  readonly accounts: Accounts
  readonly hub: EventHub
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined
  /** Folder of the built console. */
  readonly console: string
  readonly version: string
  readonly triesPerMinute: number
}

const BODY_LIMIT_BYTES = 1024 * 1024

export async function createApplication(parts: ApplicationParts): Promise<FastifyInstance> {
  const app = createFastify(parts)
  answerErrors(app, parts.context)
  await secure(app, parts.settings, parts.context.random)
  await app.register(cookie)
  const sessions = new Sessions(parts)
  await sessionRoutes(app, sessions, parts)
  operationRoutes(app, parts.context, sessions)
  eventsRoute(app, parts.hub, sessions)
  metricsRoute(app, { ...parts, sessions })
  const document = openApi(operationsOf(parts.context), parts.version)
  app.get('/openapi.json', async (_request, reply) => sendJson(reply, document))
  health(app, parts.context)
  await consolePages(app, parts.console)
  return app
}

function createFastify(parts: ApplicationParts): FastifyInstance {
  const options = {
    bodyLimit: BODY_LIMIT_BYTES,
    logger: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
  } as const
  if (parts.tls === undefined) return fastify(options)
  return fastify({ ...options, https: parts.tls })
}

function answerErrors(app: FastifyInstance, context: Context): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (reply.sent || reply.raw.destroyed) return undefined
    if (isWharfError(error)) return sendError(reply, error)
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return sendError(
        reply,
        errors.badInput({ at: '', why: error.message.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()) }),
      )
    }
    context.log.error({ err: error, method: request.method, path: request.url.split('?')[0] }, 'a request failed')
    return sendError(reply, defect)
  })
}

const controlDatabase = serviceKey<ControlDatabase>('control database')
const READY_WITHIN_MS = 2000

/** /livez: this process answers. /readyz: it can also reach the control database. */
function health(app: FastifyInstance, context: Context): void {
  app.get('/livez', async (_request, reply) => sendJson(reply, { ok: true }))
  app.get('/readyz', async (_request, reply) => {
    const tooLate = context.clock.sleep(READY_WITHIN_MS).then(() => {
      throw new Error('no answer in time')
    })
    const asked = context.use(controlDatabase).then((database) => database.query('select 1'))
    try {
      await Promise.race([asked, tooLate])
      return sendJson(reply, { ok: true })
    } catch {
      return sendJson(reply, { ok: false, why: 'the control database does not answer' }, 503)
    } finally {
      asked.catch(() => {})
      tooLate.catch(() => {})
    }
  })
}

/** Version of this package, from its package.json (three folders up in sources and in dist alike). */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
