// The interlock of backups and loads that are not logged (P6): either some of the one kind, or some of the other, never both.
//
// It lives in the server itself, as advisory locks: one arbiter for every host and every control database, none needed, and a holder is gone
// with its session, not before: a load whose worker was killed holds it as long as its backend works on. Each kind holds a key of its own,
// shared, in whatever database it is in, and looks for the other's in pg_locks *after* it took its own, so that of two that come at once one
// sees the other. A backup keeps its key while it waits: loads that come later wait for it, and a chain of loads cannot starve it.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Session, Warehouse } from './contract.ts'
import { warehouseErrors } from './errors.ts'

/** First half of our advisory locks: "wham" in ASCII. pg_locks shows it as classid, the kind as objid. */
const CLASS = 0x77_68_61_6d
const KEYS = { unlogged: 1, backup: 2 } as const
type Kind = keyof typeof KEYS
/** Between two looks at who is still there. */
const POLL_MS = 500
/** Between two signs of life: shorter than the idle time-outs of firewalls. */
const KEEPALIVE_MS = 10_000

export interface Waiting {
  readonly warehouse: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** How long to wait for the others; undefined: as long as the signal lets. */
  readonly waitMs?: number | undefined
  /** Called with the names of those who are waited for, each time they change. */
  readonly onWait: (holders: readonly string[]) => void
}

/**
 * For a load that writes without WAL: waits while a backup runs or waits, then holds the key until `session` ends. Rejects with
 * `warehouse.interlock-busy`.
 */
export async function enterUnloggedLoad(session: Session, waiting: Waiting): Promise<void> {
  await waitUntil(session, { ...waiting, others: 'backup' }, async () => {
    await call(session, 'pg_advisory_lock_shared', 'unlogged')
    if ((await holders(session, 'backup')).length === 0) return true
    await call(session, 'pg_advisory_unlock_shared', 'unlogged')
    return false
  })
}

/**
 * For a backup: from now on no load that is not logged starts; waits for those that run. Held until `session` ends. Rejects with
 * `warehouse.interlock-busy`.
 */
export async function enterBackup(session: Session, waiting: Waiting): Promise<void> {
  await call(session, 'pg_advisory_lock_shared', 'backup')
  await waitUntil(session, { ...waiting, others: 'unlogged' }, async () => {
    return (await holders(session, 'unlogged')).length === 0
  })
}

/** A session of its own that holds a place in the interlock. */
export interface HeldInterlock extends AsyncDisposable {
  /** Aborted with `warehouse.interlock-lost` when the session ends before it is disposed of. */
  readonly lost: AbortSignal
}

/** Opens a session, enters with it and keeps it alive. `label` is what others see: `wharf <label>` in application_name. */
export async function holdInterlock(
  warehouse: Warehouse,
  enter: typeof enterBackup,
  options: Omit<Waiting, 'warehouse'> & { readonly label: string },
): Promise<HeldInterlock> {
  const { signal, label } = options
  const { name } = warehouse.declaration
  const session = await warehouse.connect({ purpose: label, signal, statementTimeoutMs: 0 })
  try {
    await session.query("select set_config('idle_session_timeout', '0', false)")
    await enter(session, { ...options, warehouse: name })
    return new Holder(session, name, options.clock)
  } catch (error) {
    await session.close()
    throw error
  }
}

async function call(session: Session, lockFunction: string, kind: Kind): Promise<void> {
  await session.query(`select pg_catalog.${lockFunction}(${CLASS}, ${KEYS[kind]})`)
}

/** Names of the sessions that hold the key, in any database, without ours. Without pg_read_all_stats other roles show as process numbers. */
async function holders(session: Session, kind: Kind): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    `select coalesce(nullif(a.application_name, ''), 'process ' || l.pid) as name
       from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.classid = ${CLASS} and l.objid = ${KEYS[kind]} and l.objsubid = 2
        and l.pid <> pg_backend_pid()
      order by 1`,
  )
  return rows.map(({ name }) => name.replace(/^wharf /, ''))
}

const NAMES: Readonly<Record<Kind, string>> = { backup: 'a backup', unlogged: 'a load that is not logged' }

async function waitUntil(
  session: Session,
  waiting: Waiting & { readonly others: Kind },
  attempt: () => Promise<boolean>,
): Promise<void> {
  const { clock, signal, waitMs, warehouse, others } = waiting
  const started = clock.monotonic()
  let told = ''
  while (!(await attempt())) {
    const names = await holders(session, others)
    if (waitMs !== undefined && clock.monotonic() - started >= waitMs) {
      const seconds = Math.round(waitMs / 1000)
      throw warehouseErrors.interlockBusy({ warehouse, what: NAMES[others], holders: names, seconds })
    }
    if (names.length > 0 && names.join() !== told) waiting.onWait(names)
    told = names.join()
    await clock.sleep(POLL_MS, signal)
  }
}

class Holder implements HeldInterlock {
  private readonly session: Session
  private readonly warehouse: string
  private readonly loss = new AbortController()
  private readonly ended = new AbortController()
  private readonly beating: Promise<void>

  constructor(session: Session, warehouse: string, clock: Clock) {
    this.session = session
    this.warehouse = warehouse
    session.client.on('error', (error: Error) => this.lose(error))
    session.client.on('end', () => this.lose(new Error('the connection was closed')))
    this.beating = this.beat(clock)
  }

  get lost(): AbortSignal {
    return this.loss.signal
  }

  private lose(cause: unknown): void {
    if (this.ended.signal.aborted) return
    this.loss.abort(warehouseErrors.interlockLost({ warehouse: this.warehouse, why: messageOf(cause) }, { cause }))
  }

  private async beat(clock: Clock): Promise<void> {
    while (!this.ended.signal.aborted && !this.loss.signal.aborted) {
      await clock.sleep(KEEPALIVE_MS, this.ended.signal).catch(() => {})
      if (this.ended.signal.aborted) return
      await this.session.query('select 1').catch((error: unknown) => this.lose(error))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ended.abort()
    await this.beating
    await this.session.close()
  }
}
