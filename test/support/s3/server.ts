// An S3 server for tests: the real protocol over HTTP, signatures verified, with versions, object lock, multipart, and faults on demand.
// Held by the conformance suite through Amazon's own client; the same suite passes on Ceph 16's gateway (test/conformance/other-s3.ts), which overwrites
// in buckets with versions, so object lock is compared by the retention suite alone.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

import { systemRandom } from '../../../src/base/random.ts'
import type { S3Lock, S3Options } from '../../../src/repository/store/s3/options.ts'
import { Bucket, type BucketOptions } from './bucket.ts'
import { answer, type Answer, type Asked, type Operation, operationOf } from './operations.ts'
import { Refusal, verifySignature, type Account } from './signature.ts'

export type S3Fault =
  /** Answered so, and nothing done. */
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** 200 with an error in its body; `done`: it took effect all the same. */
  | { readonly kind: 'error-in-200'; readonly done: boolean }
  /** The connection breaks; `done`: after it took effect. */
  | { readonly kind: 'reset'; readonly done: boolean }
  /** No answer ever comes; `done`: it took effect. */
  | { readonly kind: 'hang'; readonly done: boolean }
  | { readonly kind: 'delay'; readonly ms: number }
  /** Only so many bytes of the answer's body come, then the connection breaks. */
  | { readonly kind: 'torn'; readonly bytes: number }
  /** Confirmed, and nothing is stored. */
  | { readonly kind: 'lost' }
  /** Confirmed, and only so many bytes are stored. */
  | { readonly kind: 'short'; readonly bytes: number }

/** Asked before each operation; `count` counts those of its kind from 0. */
export type S3FaultPlan = (operation: Operation, key: string, count: number) => S3Fault | undefined

export interface S3ServerOptions {
  readonly accounts?: readonly Account[]
  /** Names in one page of a list; default 1000. */
  readonly pageSize?: number
  /** False: If-None-Match is ignored, as by old servers. */
  readonly conditionalPuts?: boolean
}

export type PlaceOptions = Omit<Partial<S3Options>, 'lock' | 'bucket'> & {
  readonly versioning?: boolean
  readonly lock?: S3Lock | true
  readonly defaultRetention?: BucketOptions['defaultRetention']
}

export const testAccount: Account = { accessKeyId: 'AKIDTEST', secretAccessKey: 'test/secret+key' }

export class S3Server implements AsyncDisposable {
  readonly buckets = new Map<string, Bucket>()
  readonly pageSize: number
  readonly conditionalPuts: boolean
  /** Server's clock minus ours. */
  skewMs = 0
  /** Objects younger than this are in no list yet. */
  listLagMs = 0
  faults: S3FaultPlan = () => undefined
  /** Everything that was asked, in order. */
  readonly log: { readonly operation: Operation; readonly key: string; readonly status: number }[] = []
  private readonly counts = new Map<Operation, number>()
  private readonly accounts: readonly Account[]
  private readonly server: Server

  private constructor(options: S3ServerOptions) {
    this.accounts = options.accounts ?? [testAccount]
    this.pageSize = options.pageSize ?? 1000
    this.conditionalPuts = options.conditionalPuts ?? true
    this.server = createServer((request, response) => void this.handle(request, response))
    this.server.keepAliveTimeout = 60_000
  }

  static async start(options: S3ServerOptions = {}, port = 0): Promise<S3Server> {
    const one = new S3Server(options)
    one.server.listen(port, '127.0.0.1')
    await once(one.server, 'listening')
    return one
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`
  }

  now(): number {
    return Date.now() + this.skewMs
  }

  makeBucket(name: string, options: BucketOptions = {}): Bucket {
    const bucket = new Bucket(options)
    this.buckets.set(name, bucket)
    return bucket
  }

  /** A new bucket, and how a store reaches it. `lock: true` is a bucket with object lock whose store asks for none. */
  place(options: PlaceOptions = {}): S3Options {
    const { versioning = false, lock, defaultRetention, ...rest } = options
    const bucket = `b${systemRandom.bytes(6).toString('hex')}`
    this.makeBucket(bucket, { versioning, lock: lock !== undefined, ...(defaultRetention ? { defaultRetention } : {}) })
    const { accessKeyId, secretAccessKey, sessionToken } = this.accounts[0]!
    return {
      bucket,
      prefix: 'some/where/',
      endpoint: this.endpoint,
      pathStyle: true,
      credentials: { accessKeyId, secretAccessKey, sessionToken },
      ...rest,
      ...(typeof lock === 'object' ? { lock } : {}),
    }
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let asked: Asked | undefined
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const body = Buffer.concat(chunks)
      const url = new URL(request.url!, this.endpoint)
      asked = operationOf(request, url, body)
      verifySignature(request, url, { accounts: this.accounts, nowMs: this.now(), body })
      await this.serve(asked, response)
    } catch (error) {
      // Clients that went away while they were sending.
      if (request.destroyed && !request.complete) return
      this.send(response, asked, refusalAnswer(error))
    }
  }

  private async serve(asked: Asked, response: ServerResponse): Promise<void> {
    const count = this.counts.get(asked.operation) ?? 0
    this.counts.set(asked.operation, count + 1)
    const fault = this.faults(asked.operation, asked.key, count)
    const run = (what = asked): Answer => {
      try {
        return answer(this, what)
      } catch (error) {
        return refusalAnswer(error)
      }
    }
    switch (fault?.kind) {
      case undefined:
        return this.send(response, asked, run())
      case 'delay':
        await delay(fault.ms)
        return this.send(response, asked, run())
      case 'status':
        return this.send(response, asked, refusalAnswer(new Refusal(fault.status, fault.code)))
      case 'error-in-200':
        if (fault.done) run()
        return this.send(response, asked, { ...refusalAnswer(new Refusal(200, 'InternalError')), status: 200 })
      case 'reset':
      case 'hang':
        this.note(asked, fault.done ? run().status : 0)
        if (fault.kind === 'reset') response.socket?.destroy()
        return
      case 'torn':
        return this.sendTorn(response, run(), fault.bytes)
      case 'lost':
        return this.send(response, asked, { status: 200, headers: { etag: '"0"' }, body: Buffer.alloc(0) })
      case 'short':
        return this.send(
          response,
          asked,
          run({ ...asked, body: asked.body.subarray(0, fault.bytes), isTampered: true }),
        )
    }
  }

  private note(asked: Asked | undefined, status: number): void {
    if (asked) this.log.push({ operation: asked.operation, key: asked.key, status })
  }

  private send(response: ServerResponse, asked: Asked | undefined, given: Answer): void {
    this.note(asked, given.status)
    const isHead = asked?.method === 'HEAD'
    response.writeHead(given.status, {
      date: new Date(this.now()).toUTCString(),
      'x-amz-request-id': 'TEST',
      ...(given.status === 204 || given.status === 304 ? {} : { 'content-length': given.body.length }),
      ...given.headers,
    })
    response.end(isHead || given.status === 204 ? undefined : given.body)
  }

  private sendTorn(response: ServerResponse, given: Answer, bytes: number): void {
    response.writeHead(given.status, { ...given.headers, 'content-length': given.body.length })
    response.write(given.body.subarray(0, Math.min(bytes, Math.max(0, given.body.length - 1))), () =>
      response.socket?.destroy(),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close()
    this.server.closeAllConnections()
    await once(this.server, 'close')
  }
}

function refusalAnswer(error: unknown): Answer {
  const refusal = error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error))
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${refusal.code}</Code><Message>${refusal.message}</Message></Error>`
  const marker =
    refusal.code === 'NoSuchKey' && refusal.message === 'delete marker' ? { 'x-amz-delete-marker': 'true' } : {}
  return { status: refusal.status, headers: { 'content-type': 'application/xml', ...marker }, body: Buffer.from(xml) }
}
