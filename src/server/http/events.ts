// /api/events: what happens, as server-sent events. One subscription to the control database serves all clients.
import type { FastifyInstance, FastifyReply } from 'fastify'

import { messageOf } from '../../base/errors.ts'
import { toJson } from '../../base/json.ts'
import type { AnyOperation } from '../../base/operation.ts'
import { serviceKey, type Context } from '../../base/room.ts'
import type { ControlDatabase, StoredEvent } from '../../control/contract.ts'
import type { ControlEventJson, StreamEventName } from '../contract.ts'
import { operationsOf } from './operations.ts'
import type { Sessions } from './session.ts'

const controlDatabase = serviceKey<ControlDatabase>('control database')

// Browsers drop ids after a reload, so a client that was away longer than this simply asks for everything anew.
const KEPT_EVENTS = 1000
const HEARTBEAT_MS = 15_000
const STATUS_EVERY_MS = 5000
const RECONNECT_MS = 2000
// What a client that does not read may pile up before it is dropped.
const BACKLOG_BYTES = 4 * 1024 * 1024

interface Client {
  send(text: string): void
  end(): void
}

/** Spreads events and status over the connected clients. */
export class EventHub {
  private readonly context: Context
  private readonly clients = new Set<Client>()
  private readonly kept: { id: bigint; text: string }[] = []
  private readonly over = new AbortController()
  private status: { readonly text: string; readonly atMs: number } | undefined

  constructor(context: Context) {
    this.context = context
  }

  /** Runs until the signal aborts; a lost control database is tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.over.signal])
    await Promise.all([
      this.follow(both),
      this.repeat(both, HEARTBEAT_MS, async () => this.spread(': still here\n\n')),
      this.watchStatus(both),
    ])
    this.close()
  }

  close(): void {
    this.over.abort(new Error('the server stops'))
    for (const client of this.clients) client.end()
    this.clients.clear()
  }

  /** Adds a client: first what it missed since `lastId`, or `reset` where that is no longer known. */
  add(client: Client, lastId: string | undefined): () => void {
    client.send(`retry: ${RECONNECT_MS}\n\n`)
    if (lastId !== undefined && /^\d{1,19}$/.test(lastId)) this.resume(client, BigInt(lastId))
    const { clock } = this.context
    if (this.status !== undefined && clock.monotonic() - this.status.atMs < STATUS_EVERY_MS)
      client.send(this.status.text)
    this.clients.add(client)
    return () => this.clients.delete(client)
  }

  private resume(client: Client, lastId: bigint): void {
    const oldest = this.kept[0]?.id
    if (oldest === undefined || oldest > lastId + 1n) client.send(frame('reset', {}))
    for (const { id, text } of this.kept) if (id > lastId) client.send(text)
  }

  private spread(text: string): void {
    for (const client of this.clients) client.send(text)
  }

  private async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const database = await this.context.use(controlDatabase)
        for await (const event of database.events({ signal })) this.keep(event)
      } catch (error) {
        if (!signal.aborted)
          this.context.log.warn({ why: messageOf(error) }, 'events of the control database are interrupted')
      }
      await this.context.clock.sleep(RECONNECT_MS, signal).catch(() => {})
    }
  }

  private keep(event: StoredEvent): void {
    const json: ControlEventJson = {
      id: event.id.toString(),
      at: event.at.toISOString(),
      kind: event.kind,
      subject: event.subject,
      data: event.data,
    }
    const text = frame('control', json, json.id)
    this.kept.push({ id: event.id, text })
    if (this.kept.length > KEPT_EVENTS) this.kept.shift()
    this.spread(text)
  }

  private async watchStatus(signal: AbortSignal): Promise<void> {
    const operation = operationsOf(this.context).find((one) => one.name === 'status')
    if (!operation) return
    await this.repeat(signal, STATUS_EVERY_MS, async () => {
      if (this.clients.size === 0) return
      const text = frame('status', await this.askStatus(operation, signal))
      this.status = { text, atMs: this.context.clock.monotonic() }
      this.spread(text)
    })
  }

  private askStatus(operation: AnyOperation, signal: AbortSignal): Promise<unknown> {
    const context = { ...this.context, progress: () => {}, confirm: async () => false, actor: 'server' }
    return operation.run(operation.input.parse({}), context, signal)
  }

  private async repeat(signal: AbortSignal, everyMs: number, work: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        await work()
      } catch (error) {
        if (!signal.aborted) this.context.log.warn({ why: messageOf(error) }, 'the event stream misses a status')
      }
      await this.context.clock.sleep(everyMs, signal).catch(() => {})
    }
  }
}

function frame(name: StreamEventName, data: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${toJson(data)}\n\n`
}

export function eventsRoute(app: FastifyInstance, hub: EventHub, sessions: Sessions): void {
  app.get('/api/events', async (request, reply) => {
    const session = await sessions.demand(request, 'viewer', 'events')
    const lastId = request.headers['last-event-id'] ?? (request.query as Record<string, unknown>)['lastEventId']
    reply.hijack()
    openStream(reply)
    const remove = hub.add(clientOf(reply), typeof lastId === 'string' ? lastId : undefined)
    request.log.debug({ account: session.name }, 'event stream opened')
    reply.raw.once('close', remove)
  })
}

function openStream(reply: FastifyReply): void {
  // A hijacked reply skips fastify's headers: hand over those that the hooks have set.
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value)
  reply.raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'keep-alive',
    'x-accel-buffering': 'no',
  })
  reply.raw.flushHeaders()
}

function clientOf(reply: FastifyReply): Client {
  return {
    send: (text) => {
      if (reply.raw.writableLength > BACKLOG_BYTES) reply.raw.destroy()
      else if (!reply.raw.destroyed) reply.raw.write(text)
    },
    end: () => reply.raw.end(),
  }
}
