// Log-in, log-out, and who asks.
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'

import type { Role } from '../../base/operation.ts'
import type { Accounts, Session } from '../accounts.ts'
import type { ServerSettings } from '../config.ts'
import type { SessionView } from '../contract.ts'
import { errors } from '../errors.ts'
import { sendError, sendJson } from './answers.ts'
import { isSecure } from './security.ts'

const rank: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, admin: 2 }

/** Whether an account of role `has` may do what needs `needed`. */
export function mayDo(has: Role, needed: Role): boolean {
  return rank[has] >= rank[needed]
}

export interface SessionParts {
  readonly accounts: Accounts
  readonly settings: ServerSettings
  readonly version: string
  /** Tries to log in per address and minute. */
  readonly triesPerMinute: number
}

/** Who asks, decided once per request. */
export class Sessions {
  private readonly parts: SessionParts

  constructor(parts: SessionParts) {
    this.parts = parts
  }

  /** `__Host-` needs https; on plain http the port keeps two wharfs on one machine apart, as cookies know no ports. */
  get cookieName(): string {
    const { settings } = this.parts
    return isSecure(settings) ? '__Host-wharf' : `wharf_${settings.listen.port}`
  }

  async find(request: FastifyRequest): Promise<Session | undefined> {
    const token = request.cookies[this.cookieName]
    return token === undefined || token.length > 100 ? undefined : this.parts.accounts.find(token)
  }

  /** The session, or `server.not-logged-in`, or `server.role-too-low`. */
  async demand(request: FastifyRequest, role: Role, operation: string): Promise<Session> {
    const session = await this.find(request)
    if (!session) throw errors.notLoggedIn(undefined)
    if (!mayDo(session.role, role)) throw errors.roleTooLow({ operation, role, has: session.role })
    return session
  }

  view(session: Session): SessionView {
    return {
      account: session.name,
      role: session.role,
      expiresAt: session.expiresAt.toISOString(),
      version: this.parts.version,
    }
  }

  setCookie(reply: FastifyReply, token: string, expires: Date): void {
    reply.setCookie(this.cookieName, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: isSecure(this.parts.settings),
      expires,
    })
  }

  clearCookie(reply: FastifyReply): void {
    reply.clearCookie(this.cookieName, {
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: isSecure(this.parts.settings),
    })
  }
}

const logInBody = z.strictObject({ account: z.string().min(1).max(63), password: z.string().min(1).max(1024) })

export async function sessionRoutes(app: FastifyInstance, sessions: Sessions, parts: SessionParts): Promise<void> {
  await app.register(async (scope) => {
    await scope.register(rateLimit, {
      max: parts.triesPerMinute,
      timeWindow: '1 minute',
      errorResponseBuilder: () => errors.tooManyTries(undefined),
    })
    scope.post('/api/session', async (request, reply) => {
      const body = logInBody.safeParse(request.body)
      if (!body.success) return sendError(reply, errors.badInput({ at: '', why: 'expected account and password' }))
      const { token, session } = await parts.accounts.logIn(
        body.data.account,
        body.data.password,
        parts.settings.session,
      )
      sessions.setCookie(reply, token, session.expiresAt)
      return sendJson(reply, sessions.view(session))
    })
  })
  app.get('/api/session', async (request, reply) =>
    sendJson(reply, sessions.view(await sessions.demand(request, 'viewer', 'session'))),
  )
  app.delete('/api/session', async (request, reply) => {
    const token = request.cookies[sessions.cookieName]
    if (token !== undefined) await parts.accounts.logOut(token)
    sessions.clearCookie(reply)
    return reply.code(204).send()
  })
}
