// The built console: immutable assets, and index.html for every page of it.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply } from 'fastify'

import { errors } from '../errors.ts'
import { sendError } from './answers.ts'

/** Replaced in index.html by the page's own nonce. */
export const NONCE_PLACEHOLDER = '__STYLE_NONCE__'

/** dist/console of the package: the same place seen from src/server/http and from dist/server/http. */
export const builtConsole = fileURLToPath(new URL('../../../dist/console/', import.meta.url))

/** Serves the console from `folder`; where it was never built, pages say so and the API works all the same. */
export async function consolePages(app: FastifyInstance, folder: string): Promise<void> {
  const index = `${folder}/index.html`
  if (existsSync(index)) {
    await app.register(fastifyStatic, {
      root: `${folder}/assets`,
      prefix: '/assets/',
      preCompressed: true,
      immutable: true,
      maxAge: '1y',
      index: false,
    })
    app.get('/favicon.svg', (_request, reply) =>
      reply.sendFile('favicon.svg', folder, { maxAge: '1d', immutable: false }),
    )
  }
  app.setNotFoundHandler(async (request, reply) => {
    const isPage =
      request.method === 'GET' &&
      !/^\/(api|assets)\//.test(request.url) &&
      // The first page is also for curl and health checks, which take anything; other paths only for what asks for a page.
      (request.url === '/' || (request.headers.accept ?? '').includes('text/html'))
    if (!isPage)
      return sendError(reply, errors.noSuchPath({ method: request.method, path: request.url.split('?')[0] ?? '' }))
    if (!existsSync(index)) return sendError(reply, errors.consoleMissing(undefined))
    return sendPage(reply, index)
  })
}

async function sendPage(reply: FastifyReply, index: string): Promise<FastifyReply> {
  const html = await readFile(index, 'utf8')
  return reply
    .code(200)
    .type('text/html; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(html.replaceAll(NONCE_PLACEHOLDER, reply.styleNonce))
}
