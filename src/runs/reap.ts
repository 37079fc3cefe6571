// Ending warehouse backends that work for attempts which no longer hold their task: cancel, then terminate, and see that they are gone.
import type { Context } from '../base/room.ts'
import { warehouses, type Session } from '../warehouse/contract.ts'
import type { EngineParts } from './parts.ts'

/** Between asking a backend to cancel and terminating it. */
const CANCEL_GRACE_MS = 500
const GONE_WITHIN_MS = 5000
/** A warehouse that cannot be reached for this long has surely lost its backends, or somebody looks after it anyway. */
const GIVE_UP_AFTER = '1 hour'

interface Backend {
  token: string | bigint
  warehouse: string
  backend_pid: number
  backend_start: Date
}

/** One pass over the backends that are wanted gone. What fails is tried again by the next pass, in any process. */
export async function reapBackends(parts: EngineParts, context: Context, signal: AbortSignal): Promise<void> {
  const wanted = await parts.control.query<Backend>(
    `select token, warehouse, backend_pid, backend_start from runs.attempt
     where reap_wanted_at > clock_timestamp() - $1::interval and reaped_at is null order by reap_wanted_at limit 20`,
    [GIVE_UP_AFTER],
  )
  for (const backend of wanted) {
    try {
      await endBackend(parts, { context, backend, signal })
      await parts.control.query('update runs.attempt set reaped_at = clock_timestamp() where token = $1', [
        String(backend.token),
      ])
    } catch (error) {
      parts.log.warn(
        { err: error, warehouse: backend.warehouse, pid: backend.backend_pid },
        'could not end the backend of a lost attempt yet',
      )
    }
  }
}

async function endBackend(
  parts: EngineParts,
  options: { context: Context; backend: Backend; signal: AbortSignal },
): Promise<void> {
  const { backend, signal } = options
  const warehouse = (await options.context.use(warehouses)).get(backend.warehouse)
  await using session = await warehouse.connect({ purpose: 'reaper', signal, statementTimeoutMs: 5000 })
  if (!(await tell(session, backend, 'pg_cancel_backend'))) return
  await parts.clock.sleep(CANCEL_GRACE_MS, signal)
  const deadline = parts.clock.monotonic() + GONE_WITHIN_MS
  while (await tell(session, backend, 'pg_terminate_backend')) {
    if (parts.clock.monotonic() > deadline) throw new Error(`backend ${backend.backend_pid} does not go`)
    await parts.clock.sleep(50, signal)
  }
}

/** False where the backend is gone: another one with the same pid started at another time. Times are compared by the millisecond, as JavaScript has them. */
async function tell(
  session: Session,
  backend: Backend,
  how: 'pg_cancel_backend' | 'pg_terminate_backend',
): Promise<boolean> {
  const rows = await session.query<{ told: boolean }>(
    `select ${how}(pid) as told from pg_stat_activity where pid = $1 and date_trunc('milliseconds', backend_start) = $2::timestamptz`,
    [backend.backend_pid, backend.backend_start.toISOString()],
  )
  return rows.length > 0
}
