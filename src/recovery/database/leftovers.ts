// Databases under a name of ours, until everything is in them. Whoever makes one holds a lock, and has a session in it but for the moment in which it gets its name: what is neither
// locked nor in use was left by a recovery that died.
import { codeOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'

const PREFIX = 'wharf_recovery_'
export const IN_USE = '55006'
const UNKNOWN_DATABASE = '3D000'

export function unfinishedName(id: string): string {
  return PREFIX + id
}

function lockOf(name: string): string {
  return `pg_catalog.hashtextextended('database ${name}', 0)`
}

/** `name` is of ours. The lock lives as long as the session. */
export async function holdDatabase(session: Session, name: string): Promise<void> {
  await session.query(`select pg_catalog.pg_advisory_lock(${lockOf(name)})`)
}

export interface Swept {
  readonly gone: readonly string[]
  /** Somebody is in them: a recovery that is told of the server by another database, or what one that was killed still has running there. */
  readonly inUse: readonly string[]
}

export async function sweepDatabases(session: Session): Promise<Swept> {
  const rows = await session.query<{ name: string }>(
    `select datname as name from pg_catalog.pg_database where datname ~ '^${PREFIX}[0-9a-f]{8}$' and pg_catalog.pg_has_role(datdba, 'usage') order by 1`,
  )
  const [gone, inUse]: [string[], string[]] = [[], []]
  for (const { name } of rows) {
    const [lock] = await session.query<{ got: boolean }>(
      `select pg_catalog.pg_try_advisory_lock(${lockOf(name)}) as got`,
    )
    if (!lock?.got) continue
    try {
      await session.query(`drop database ${quoteName(name)}`)
      gone.push(name)
    } catch (error) {
      if (codeOf(error) === IN_USE) inUse.push(name)
      else if (codeOf(error) !== UNKNOWN_DATABASE) throw error
    } finally {
      await session.query(`select pg_catalog.pg_advisory_unlock(${lockOf(name)})`)
    }
  }
  return { gone, inUse }
}
