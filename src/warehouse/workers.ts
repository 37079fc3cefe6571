// Sessions in worker threads, from a seed that the main thread made.
import type { Clock } from '../base/clock.ts'
import { Secret } from '../base/secret.ts'
import type { ConnectionTarget } from './connection.ts'
import type { Session, WarehouseSeed } from './contract.ts'
import { openSession } from './session/session.ts'

export function seedOf(target: ConnectionTarget): WarehouseSeed {
  const { password, ...rest } = target
  return { target: { ...rest }, password: password?.reveal() }
}

/** As Warehouse.connect() does it. */
export async function openSeededSession(
  seed: WarehouseSeed,
  options: { purpose: string; signal: AbortSignal; statementTimeoutMs?: number },
  clock: Clock,
): Promise<Session> {
  const target = { ...seed.target, password: seed.password === undefined ? undefined : new Secret(seed.password) }
  return await openSession(target as unknown as ConnectionTarget, options, clock)
}
