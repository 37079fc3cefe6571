// Which server a session is with: behind one name there may be another one after a failover, or always several (a proxy, a name with two addresses).
import type { Session } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'

/** Structured-cloneable. */
export interface ServerIdentity {
  readonly systemIdentifier: string
  /** When its postmaster started, microseconds since 1970: two servers of one cluster, and one before and after a restart, differ. */
  readonly startedUs: string
  readonly inRecovery: boolean
}

export async function identityOf(session: Session): Promise<ServerIdentity> {
  const [row] = await session.query<{ id: string; started: string; recovering: boolean }>(
    `select system_identifier::text as id, (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint::text as started,
            pg_is_in_recovery() as recovering from pg_control_system()`,
  )
  return { systemIdentifier: row!.id, startedUs: row!.started, inRecovery: row!.recovering }
}

/** Rejects with `backup.server-changed`. */
export function demandSameServer(found: ServerIdentity, expected: ServerIdentity, warehouse: string): void {
  const why = difference(found, expected)
  if (why !== undefined) throw backupErrors.serverChanged({ warehouse, why })
}

function difference(found: ServerIdentity, expected: ServerIdentity): string | undefined {
  if (found.systemIdentifier !== expected.systemIdentifier)
    return `its system identifier is ${found.systemIdentifier}, that of the first session was ${expected.systemIdentifier}`
  if (found.startedUs !== expected.startedUs)
    return `it was started at ${timeOf(found.startedUs)}, that of the first session at ${timeOf(expected.startedUs)}`
  if (found.inRecovery !== expected.inRecovery) return found.inRecovery ? 'it is a standby' : 'it has been promoted'
  return undefined
}

function timeOf(us: string): string {
  return new Date(Number(BigInt(us) / 1000n)).toISOString()
}
