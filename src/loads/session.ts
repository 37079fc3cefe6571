// The session of a task with its warehouse: known to the engine, so that cancel and sweep reach its backend.
import type { TaskExecution } from '../runs/contract.ts'
import { warehouses, type Session } from '../warehouse/contract.ts'
import { keepApart } from './apart.ts'
import { ensureInstalled } from './journal/schema.ts'

/** A load never waits longer for a lock: then it fails, and is tried again if the task has retries. */
const LOCK_TIMEOUT_MS = 60_000

export async function openLoadSession(
  task: TaskExecution<{ warehouse: string; database?: string | undefined; logged: boolean }>,
  signal: AbortSignal,
): Promise<Session> {
  const { warehouse: name, database } = task.input
  const warehouse = (await task.context.use(warehouses)).get(name)
  const session = await warehouse.connect({
    purpose: `load ${task.run.pipeline}`,
    signal,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    ...(database === undefined ? {} : { database }),
  })
  try {
    const [row] = await session.query<{ pid: number; started: Date }>(
      'select pid, backend_start as started from pg_stat_activity where pid = pg_backend_pid()',
    )
    await task.backend({ warehouse: name, pid: row!.pid, startedAt: row!.started })
    await keepApart(task, session, signal)
    await ensureInstalled(session, name)
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}
