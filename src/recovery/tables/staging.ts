// Schemas of our own on the live server, in which recovered tables are made ready. They are locked by the session that made them; those that nobody holds any more were left
// by a recovery that died, and are dropped by the next one.
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'

const PREFIX = 'wharf_recovery_'

function lockOf(id: string): string {
  return `pg_catalog.hashtextextended('wharf recovery ${id}', 0)`
}

/** `id` is of hexadecimal digits. The lock lives as long as the session. */
export async function holdStaging(session: Session, id: string): Promise<void> {
  await session.query(`select pg_catalog.pg_advisory_lock(${lockOf(id)})`)
}

export async function makeStaging(session: Session, schemas: Iterable<string>): Promise<void> {
  for (const schema of schemas) await session.query(`create schema ${quoteName(schema)}`)
}

/** Drops all staging of one recovery. */
export async function dropStaging(session: Session, id: string): Promise<void> {
  const rows = await session.query<{ name: string }>(
    `select nspname as name from pg_catalog.pg_namespace where nspname ~ $1 order by 1`,
    [`^${PREFIX}${id}_\\d+$`],
  )
  for (const { name } of rows) await session.query(`drop schema ${quoteName(name)} cascade`)
}

/** Ids of recoveries that died and whose staging is gone now. */
export async function sweepStaging(session: Session): Promise<readonly string[]> {
  const rows = await session.query<{ id: string }>(
    `select distinct substring(nspname from '^${PREFIX}([0-9a-f]{8})_\\d+$') as id from pg_catalog.pg_namespace
      where nspname ~ '^${PREFIX}[0-9a-f]{8}_\\d+$' and pg_catalog.pg_has_role(nspowner, 'usage')`,
  )
  const swept: string[] = []
  for (const { id } of rows) {
    const [lock] = await session.query<{ got: boolean }>(`select pg_catalog.pg_try_advisory_lock(${lockOf(id)}) as got`)
    if (!lock?.got) continue
    await dropStaging(session, id)
    await session.query(`select pg_catalog.pg_advisory_unlock(${lockOf(id)})`)
    swept.push(id)
  }
  return swept
}
