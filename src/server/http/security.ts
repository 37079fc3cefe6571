// What every request passes before anything else: headers, host, origin.
import helmet from '@fastify/helmet'
import type { FastifyInstance, FastifyRequest } from 'fastify'

import type { Random } from '../../base/random.ts'
import { isLoopback, type ServerSettings } from '../config.ts'
import { errors } from '../errors.ts'

const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** Host name without port or brackets, lower case. */
export function hostNameOf(host: string): string {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::\d+)?$/.exec(host.trim().toLowerCase())
  return match?.[1] ?? match?.[2] ?? ''
}

/** A foreign site that points its name at 127.0.0.1 must not be answered (DNS rebinding). */
function refuseForeignHost(request: FastifyRequest, settings: ServerSettings): void {
  const name = hostNameOf(request.headers.host ?? '')
  if (isLoopback(name)) return
  if (settings.public_url === undefined) {
    if (isLoopback(settings.listen.host)) throw errors.foreignHost(name)
    return
  }
  if (name !== hostNameOf(new URL(settings.public_url).host)) throw errors.foreignHost(name)
}

/** Browsers tell where a request comes from; a page of another origin may not change anything, cookie or not. */
function refuseForeignOrigin(request: FastifyRequest, settings: ServerSettings): void {
  if (!UNSAFE.has(request.method)) return
  const origin = request.headers.origin
  if (origin === undefined) {
    const site = request.headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none') throw errors.foreignOrigin(site)
    return
  }
  const allowed = [request.headers.host, settings.public_url && new URL(settings.public_url).host]
  const host = URL.canParse(origin) ? new URL(origin).host : undefined
  if (host === undefined || !allowed.includes(host)) throw errors.foreignOrigin(origin)
}

/** True where the browser reaches us by https, directly or through a declared proxy. */
export function isSecure(settings: ServerSettings): boolean {
  return settings.tls !== undefined || (settings.public_url?.startsWith('https:') ?? false)
}

declare module 'fastify' {
  interface FastifyReply {
    /** Random per page: allows the styles that the console makes while it runs, and nothing else inline. */
    styleNonce: string
  }
}

export async function secure(app: FastifyInstance, settings: ServerSettings, random: Random): Promise<void> {
  app.decorateReply('styleNonce', '')
  app.addHook('onRequest', async (request, reply) => {
    reply.styleNonce = random.bytes(16).toString('base64url')
    nonces.set(reply.raw, reply.styleNonce)
    refuseForeignHost(request, settings)
    refuseForeignOrigin(request, settings)
  })
  await app.register(helmet, {
    strictTransportSecurity: isSecure(settings),
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", (_request, response) => `'nonce-${nonceOf(response)}'`],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        manifestSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
  })
}

const nonces = new WeakMap<object, string>()

/** helmet hands its functions the raw response: remember the nonce there. */
function nonceOf(response: object): string {
  return nonces.get(response) ?? ''
}
