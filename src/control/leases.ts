// Leases with fencing tokens, by the clock of the database alone.
import type { Clock } from '../base/clock.ts'
import type { ControlDatabase, HeldLease } from './contract.ts'

interface LeaseRequest {
  readonly name: string
  readonly owner: string
  readonly ttlMs: number
  readonly signal: AbortSignal
}

export async function tryLease(
  database: ControlDatabase,
  clock: Clock,
  request: LeaseRequest,
): Promise<HeldLease | undefined> {
  request.signal.throwIfAborted()
  const before = clock.monotonic()
  const [row] = await database.query<{ token: bigint }>(
    `insert into control.lease as held (name, owner, expires_at)
     values ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
     on conflict (name) do update
     set owner = excluded.owner, expires_at = excluded.expires_at, acquired_at = clock_timestamp(),
         token = greatest(held.token + 1, excluded.token)
     where held.expires_at <= clock_timestamp()
     returning token`,
    [request.name, request.owner, request.ttlMs],
  )
  return row ? new Lease({ database, clock, request, token: row.token, validFrom: before }) : undefined
}

class Lease implements HeldLease {
  readonly token: bigint
  private readonly parts: { database: ControlDatabase; clock: Clock; request: LeaseRequest; token: bigint }
  private readonly lostController = new AbortController()
  private readonly ended = new AbortController()
  private readonly renewing: Promise<void>

  constructor(parts: {
    database: ControlDatabase
    clock: Clock
    request: LeaseRequest
    token: bigint
    validFrom: number
  }) {
    this.parts = parts
    this.token = parts.token
    this.renewing = this.renew(parts.validFrom)
    parts.request.signal.addEventListener('abort', this.onAbort, { once: true })
  }

  get lost(): AbortSignal {
    return this.lostController.signal
  }

  private readonly onAbort = (): void => void this.release().catch(() => {})

  /** `validFrom`: monotonic time before the statement that last succeeded was sent; the lease lasts at least `ttlMs` from then. */
  private async renew(validFrom: number): Promise<void> {
    const { clock, request } = this.parts
    let from = validFrom
    for (;;) {
      const left = from + request.ttlMs - clock.monotonic()
      if (left <= 0) return this.lose('it could not be renewed in time')
      await clock.sleep(Math.min(request.ttlMs / 3, left), this.ended.signal).catch(() => {})
      if (this.ended.signal.aborted) return
      const before = clock.monotonic()
      const answer = await this.extend(left)
      if (this.ended.signal.aborted) return
      if (answer === 'taken') return this.lose('somebody else holds it')
      if (answer === 'ok') from = before
    }
  }

  /** Never waits longer than the lease lasts: the database may be away. */
  private async extend(leftMs: number): Promise<'ok' | 'taken' | 'failed'> {
    const { database, clock, request } = this.parts
    const done = new AbortController()
    const asked = database
      .query(
        `update control.lease set expires_at = clock_timestamp() + $3 * interval '1 millisecond'
         where name = $1 and token = $2 and expires_at > clock_timestamp() returning token`,
        [request.name, this.token, request.ttlMs],
      )
      .then((rows) => (rows.length === 1 ? ('ok' as const) : ('taken' as const)))
      .catch(() => 'failed' as const)
    const tired = clock.sleep(Math.max(1, leftMs), done.signal).then(
      () => 'failed' as const,
      () => 'failed' as const,
    )
    const answer = await Promise.race([asked, tired])
    done.abort()
    return answer
  }

  private lose(reason: string): void {
    this.lostController.abort(new Error(`the lease "${this.parts.request.name}" is lost: ${reason}`))
  }

  async release(): Promise<void> {
    if (this.ended.signal.aborted) return
    this.parts.request.signal.removeEventListener('abort', this.onAbort)
    this.ended.abort()
    await this.renewing
    if (this.lost.aborted) return
    await this.parts.database.query(
      'update control.lease set expires_at = clock_timestamp() where name = $1 and token = $2 and expires_at > clock_timestamp()',
      [this.parts.request.name, this.token],
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A lease that cannot be given back runs out by itself.
    await this.release().catch(() => {})
  }
}
