// The session behind a reader of files by SQL: made when needed, made again when lost, always with the very server that the backup runs on.
import type { Clock } from '../../base/clock.ts'
import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import type { Session, WarehouseSeed } from '../../warehouse/contract.ts'
import { openSeededSession } from '../../warehouse/workers.ts'
import { backupErrors } from '../errors.ts'
import { demandSameServer, identityOf, type ServerIdentity } from './server-identity.ts'

/** One read of a megabyte; a disk that takes longer than this has failed. */
const READ_TIMEOUT_MS = 120_000
/** Pauses before a read whose session was lost is tried again with a new one. */
const AGAIN_MS = [100, 1000, 5000] as const

export interface SqlSessionsOptions {
  readonly warehouse: string
  readonly seed: WarehouseSeed
  readonly identity: ServerIdentity
  readonly clock: Clock
  readonly signal: AbortSignal
}

export class SqlSessions implements AsyncDisposable {
  private readonly options: SqlSessionsOptions
  private session: Promise<Session> | undefined

  constructor(options: SqlSessionsOptions) {
    this.options = options
  }

  /** Work that may be done again: with a new session where the old one is lost. Rejects for operators; with code EIO where the server's disk refused. */
  async attempt<T>(path: string, work: (session: Session) => Promise<T>): Promise<T> {
    for (const pause of [...AGAIN_MS, undefined]) {
      try {
        return await work(await this.current())
      } catch (error) {
        this.options.signal.throwIfAborted()
        if (pause === undefined || !isWharfError(error) || !error.passing || error.code.startsWith('backup.'))
          throw explain(error, path)
        await this.drop()
        await this.options.clock.sleep(pause, this.options.signal)
      }
    }
    throw new Error('unreachable')
  }

  private current(): Promise<Session> {
    this.session ??= this.open()
    return this.session
  }

  private async open(): Promise<Session> {
    const { seed, identity, warehouse, clock, signal } = this.options
    const session = await openSeededSession(
      seed,
      { purpose: 'backup copy', signal, statementTimeoutMs: READ_TIMEOUT_MS },
      clock,
    )
    try {
      demandSameServer(await identityOf(session), identity, warehouse)
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }

  private async drop(): Promise<void> {
    const old = this.session
    this.session = undefined
    await old?.then((session) => session.close()).catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drop()
  }
}

/** SQLSTATEs of the file functions. */
function explain(error: unknown, path: string): unknown {
  if (isWharfError(error, 'warehouse.denied')) {
    const right = /permission denied for function (\w+)/.exec(error.message)?.[1]
    // The server's own user may not read its file: not for want of a grant.
    if (right === undefined) return backupErrors.readFailed({ path, why: messageOf(error) }, { cause: error })
    return error
  }
  if (isWharfError(error)) return error
  const code = codeOf(error)
  if (code === '58030') return Object.assign(new Error(messageOf(error), { cause: error }), { code: 'EIO' })
  return backupErrors.readFailed({ path, why: messageOf(error) }, { cause: error })
}
