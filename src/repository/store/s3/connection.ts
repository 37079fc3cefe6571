// Calls of a bucket: each try with its own limit of time, again within a budget, and the server's clock noted from every answer.
import { S3Client } from '@aws-sdk/client-s3'

import { systemClock, withTimeLimit } from '../../../base/clock.ts'
import { systemRandom } from '../../../base/random.ts'
import { retry } from '../../../base/retry.ts'
import { MIB, MINUTE_MS } from '../../../base/units.ts'
import { headerOf, mayPass, nameOf, s3Failure, statusOf } from './failures.ts'
import { defaultLimits, locationOf, type S3Credentials, type S3Limits, type S3Options } from './options.ts'

/** A try may take `idleMs` plus this for every MiB that it moves: 100 kB/s is a line that works. */
const MS_PER_MIB = 10_000
const LONGEST_DELAY_MS = 5_000
/** Servers refuse signatures that are five to fifteen minutes off. */
const NOTABLE_SKEW_MS = 4 * MINUTE_MS
const MOST_CONNECTIONS = 64

export interface Call {
  /** Completes "could not …": `read packs/ab/…`. */
  readonly what: string
  readonly signal: AbortSignal
  /** Bytes that the call moves; default 0. */
  readonly bytes?: number
}

export class S3Connection {
  readonly location: string
  readonly limits: S3Limits
  readonly client: S3Client
  /** Server's clock minus ours, from the newest answer. */
  private clockOffsetMs: number | undefined
  /** What tries are signed with. */
  private signedOffsetMs = 0

  constructor(options: S3Options) {
    this.location = locationOf(options)
    this.limits = { ...defaultLimits, ...options.limits }
    this.client = makeClient(options, this.limits)
    this.client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args)
        const date = dateOf(result.response)
        if (date !== undefined) this.clockOffsetMs = date - systemClock.now()
        return result
      },
      { step: 'deserialize', priority: 'low', name: 'wharfClock' },
    )
  }

  /** Calls `attempt` until it succeeds, a lasting error occurs or the budget is used up. Errors come as they are: see fail(). */
  raw<T>(call: Call, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal, bytes = 0 } = call
    const attemptMs = Math.ceil(this.limits.idleMs + (bytes / MIB) * MS_PER_MIB)
    const policy = {
      firstDelayMs: this.limits.firstDelayMs,
      longestDelayMs: LONGEST_DELAY_MS,
      budgetMs: this.limits.retryMs,
    }
    const tools = {
      clock: systemClock,
      random: systemRandom,
      signal,
      isPassing: (error: unknown) => mayPass(error) || this.setsClock(error),
    }
    return retry(policy, tools, async () => {
      const limited = withTimeLimit(signal, attemptMs)
      try {
        return await attempt(limited)
      } catch (error) {
        // The library says AbortError; the reason tells a limit of time from a caller who gave up.
        if (signal.aborted) throw signal.reason
        if (limited.aborted && nameOf(error) !== 'TimeoutError')
          throw Object.assign(new Error(`nothing came within ${Math.round(attemptMs / 1000)} s`), {
            name: 'TimeoutError',
          })
        throw error
      }
    })
  }

  /**
   * A refusal that comes from clocks that differ; answers without a body do not say so. Takes the server's time, so that the next try is
   * signed with it.
   */
  private setsClock(error: unknown): boolean {
    const date = Date.parse(headerOf(error, 'date') ?? '')
    if (statusOf(error) !== 403 || Number.isNaN(date)) return false
    const { config } = this.client
    const offset = date - systemClock.now()
    if (Math.abs(offset - this.signedOffsetMs) < NOTABLE_SKEW_MS) return false
    config.systemClockOffset = offset
    this.signedOffsetMs = offset
    return true
  }

  /** As raw(); errors say what failed on what. */
  async call<T>(call: Call, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.raw(call, attempt)
    } catch (error) {
      throw this.fail(call, error)
    }
  }

  /** What the caller gets to see; its own reason where it gave up. */
  fail(call: Pick<Call, 'what' | 'signal'>, error: unknown): unknown {
    if (call.signal.aborted) return call.signal.reason
    return s3Failure(this.location, call.what, error)
  }

  /** About now by the server's clock, from answers that came already. */
  roughNow(): number | undefined {
    return this.clockOffsetMs === undefined ? undefined : systemClock.now() + this.clockOffsetMs
  }
}

/** Credentials as they are now; undefined where they are temporary. */
export async function fixedCredentials(options: S3Options): Promise<S3Credentials | undefined> {
  const client = makeClient(options, defaultLimits)
  try {
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = await client.config.credentials()
    return sessionToken !== undefined || expiration !== undefined ? undefined : { accessKeyId, secretAccessKey }
  } finally {
    client.destroy()
  }
}

/** Epoch milliseconds of an answer's Date header, to the second. */
export function dateOf(response: unknown): number | undefined {
  const { headers } = response as { headers?: Readonly<Record<string, string>> }
  const date = Date.parse(headers?.['date'] ?? '')
  return Number.isNaN(date) ? undefined : date
}

function makeClient(options: S3Options, limits: S3Limits): S3Client {
  const { endpoint, region, credentials, profile, pathStyle } = options
  return new S3Client({
    // Servers that are not Amazon's take any region; Amazon's tells the right one in its refusal.
    ...(region === undefined && endpoint !== undefined ? { region: 'us-east-1' } : {}),
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(profile === undefined ? {} : { profile }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: credentials.secretAccessKey,
            ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
          },
        }),
    forcePathStyle: pathStyle ?? false,
    // Tries are ours: they have a budget, and know which may have taken effect.
    maxAttempts: 1,
    // Trailing checksums are not understood everywhere: ours go in headers, and what is read is under our own seals.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: limits.connectMs,
      socketTimeout: limits.idleMs,
      httpAgent: { keepAlive: true, maxSockets: MOST_CONNECTIONS },
      httpsAgent: { keepAlive: true, maxSockets: MOST_CONNECTIONS },
    },
  })
}
