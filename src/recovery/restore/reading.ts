// The lease under which a recovery reads: expiry deletes nothing that was listed when it began. Nothing of it ever stops a recovery.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Repository } from '../../repository/contract.ts'

export interface LeasedReading extends AsyncDisposable {
  /** Why nothing protects what is read; undefined while a lease does. */
  readonly unprotected: string | undefined
}

/** Take it before anything is listed. */
export async function readingOf(
  repository: Repository,
  of: { readonly warehouse: string; readonly log: Pick<Log, 'warn'>; readonly signal: AbortSignal },
): Promise<LeasedReading> {
  const { warehouse, log, signal } = of
  try {
    const reading = await repository.beginReading({ purpose: `recovery of ${warehouse}`, signal })
    reading.lost.addEventListener('abort', () =>
      log.warn({ repository: repository.name }, 'the lease of this recovery ran out: expiry may delete what it reads'),
    )
    return { unprotected: reading.why, [Symbol.asyncDispose]: () => reading.end() }
  } catch (error) {
    signal.throwIfAborted()
    // A full disk, say. To recover matters more.
    if (!isWharfError(error)) throw error
    const unprotected = `no lease is taken, because ${messageOf(error)}: expiry may delete what is read`
    return { unprotected, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
}
