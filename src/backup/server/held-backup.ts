// pg_backup_start … pg_backup_stop on one session. PostgreSQL ends the backup with the session: so the session is kept alive, and watched.
import type { Clock } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { parseLsn, type Lsn } from '../../wal/lsn.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'
import { identityOf, type ServerIdentity } from '../source/server-identity.ts'
import { explainStandby } from '../standby/ready.ts'

/** Between two signs of life: shorter than the idle time-outs of firewalls and poolers. */
const KEEPALIVE_MS = 10_000

export interface HeldBackup extends AsyncDisposable {
  /** Redo position of the checkpoint that the backup starts from. */
  readonly startLsn: Lsn
  readonly server: ServerIdentity
  /** Aborted with `backup.session-lost` when the session ends before stop(). */
  readonly lost: AbortSignal
  /** Ends the backup on the server. Label and map exactly as the server gives them. */
  stop(): Promise<{ stopLsn: Lsn; backupLabel: string; tablespaceMap: string }>
}

export interface HoldOptions {
  readonly warehouse: Warehouse
  readonly label: string
  /** Whether the server takes its checkpoint at once instead of spreading it. */
  readonly fast: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called on the session before the backup starts: keeps out loads that are not logged until the session ends. */
  readonly enter?: (session: Session) => Promise<void>
}

/** Disposing ends the session, and with it a backup that was not stopped: the server then knows of none. */
export async function holdBackup(options: HoldOptions): Promise<HeldBackup> {
  const { warehouse, signal } = options
  const session = await warehouse.connect({ purpose: 'backup', signal, statementTimeoutMs: 0 })
  try {
    await options.enter?.(session)
    const server = await identityOf(session)
    return new Holder(session, { server, startLsn: await start(session, options) }, options)
  } catch (error) {
    await session.close()
    throw error
  }
}

async function start(session: Session, options: HoldOptions): Promise<Lsn> {
  // A spread checkpoint may take as long as checkpoint_timeout; the session idles between keepalives.
  await session.query(
    "select set_config('statement_timeout', '0', false), set_config('idle_session_timeout', '0', false), set_config('lock_timeout', '0', false)",
  )
  try {
    const rows = await session.query<{ lsn: string }>('select pg_backup_start($1, $2)::text as lsn', [
      options.label,
      options.fast,
    ])
    return parseLsn(rows[0]?.lsn ?? '')
  } catch (error) {
    if (!isWharfError(error, 'warehouse.denied')) throw explainStandby(error, options.warehouse.declaration.name)
    const user = (await session.query<{ user: string }>('select current_user as "user"'))[0]?.user ?? '?'
    throw backupErrors.startDenied({ warehouse: options.warehouse.declaration.name, user }, { cause: error })
  }
}

class Holder implements HeldBackup {
  readonly startLsn: Lsn
  readonly server: ServerIdentity
  private readonly session: Session
  private readonly options: HoldOptions
  private readonly loss = new AbortController()
  private readonly end = new AbortController()
  private readonly beating: Promise<void>

  constructor(session: Session, begun: { server: ServerIdentity; startLsn: Lsn }, options: HoldOptions) {
    this.session = session
    this.server = begun.server
    this.startLsn = begun.startLsn
    this.options = options
    session.client.on('error', (error: Error) => this.lose(error))
    session.client.on('end', () => this.lose(new Error('the connection was closed')))
    this.beating = this.beat()
  }

  get lost(): AbortSignal {
    return this.loss.signal
  }

  async stop(): Promise<{ stopLsn: Lsn; backupLabel: string; tablespaceMap: string }> {
    this.end.abort()
    await this.beating
    this.loss.signal.throwIfAborted()
    // Not waiting for the archive: we wait for our own repository, and archiving may be off. Bytes, not text: the label is kept as it is.
    const query = this.session.query<{ lsn: string; label: Buffer; map: Buffer | null }>(
      `select lsn::text as lsn, convert_to(labelfile, getdatabaseencoding()) as label,
              convert_to(spcmapfile, getdatabaseencoding()) as map
         from pg_backup_stop(false)`,
    )
    const rows = await query.catch((error: unknown) => {
      throw explainStandby(error, this.options.warehouse.declaration.name)
    })
    const row = rows[0]
    if (!row) throw backupErrors.badLabel({ what: 'any row' })
    return {
      stopLsn: parseLsn(row.lsn),
      backupLabel: row.label.toString('utf8'),
      tablespaceMap: row.map?.toString('utf8') ?? '',
    }
  }

  private lose(error: unknown): void {
    if (this.end.signal.aborted) return
    this.loss.abort(
      backupErrors.sessionLost(
        { warehouse: this.options.warehouse.declaration.name, why: messageOf(error) },
        { cause: error },
      ),
    )
  }

  private async beat(): Promise<void> {
    while (!this.end.signal.aborted) {
      await this.options.clock.sleep(KEEPALIVE_MS, this.end.signal).catch(() => {})
      if (this.end.signal.aborted || this.loss.signal.aborted) return
      try {
        await this.session.query('select 1')
      } catch (error) {
        return this.lose(error)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end.abort()
    await this.beating
    await this.session.close()
  }
}
