// The rights that wharf needs, one by one: why, the SQL that gives it, the SQL that asks whether it is there. `wharf warehouse grants` prints
// this table, `wharf warehouse check` walks it, and a test takes each line away in turn.

import type { Session } from './contract.ts'

export interface Right {
  readonly name: string
  readonly why: string
  /** Needed to protect and watch, or only for loads that wharf runs. */
  readonly need: 'always' | 'loads'
  /** Without it no backup can even begin. */
  readonly backup: boolean
  /** What a superuser runs. Functions and databases: in the database that the warehouse's url names. */
  grant(at: { role: string; database: string }): string
  /** True or false for the role of the session. */
  readonly held: string
}

const onFunction = (signature: string, why: string, backup = false): Right => ({
  name: signature.replace(/\(.*/, ''),
  why,
  need: 'always',
  backup,
  grant: ({ role }) => `GRANT EXECUTE ON FUNCTION pg_catalog.${signature} TO ${role};`,
  held: `has_function_privilege(current_user, 'pg_catalog.${signature}', 'EXECUTE')`,
})

export const rights: readonly Right[] = [
  {
    name: 'REPLICATION',
    why: 'receive WAL and keep a slot',
    need: 'always',
    backup: false,
    grant: ({ role }) => `ALTER ROLE ${role} REPLICATION;`,
    held: `(select rolreplication or rolsuper from pg_roles where rolname = current_user)`,
  },
  {
    name: 'pg_monitor',
    why: 'read all settings (data_directory), statistics and sizes, and list temporary files',
    need: 'always',
    backup: true,
    grant: ({ role }) => `GRANT pg_monitor TO ${role};`,
    held: `pg_has_role(current_user, 'pg_monitor', 'USAGE')`,
  },
  onFunction('pg_backup_start(text, boolean)', 'begin a backup', true),
  onFunction('pg_backup_stop(boolean)', 'end a backup', true),
  onFunction('pg_switch_wal()', 'have a WAL segment archived at once'),
  onFunction('pg_create_restore_point(text)', 'name a point to recover to'),
  {
    name: 'CREATE on the database',
    why: 'keep the journal of loads in a schema of its own',
    need: 'loads',
    backup: false,
    grant: ({ role, database }) => `GRANT CREATE ON DATABASE ${database} TO ${role};`,
    held: `has_database_privilege(current_user, current_database(), 'CREATE')`,
  },
]

/** What reads the files of a cluster: the disk of the machine that wharf runs on, or SQL sessions. */
export type FileSource = 'disk' | 'sql'

/** Needed beside the others where backups read the files through SQL. No membership in a role, and nothing outside the data directory. */
export const sqlSourceRights: readonly Right[] = [
  onFunction('pg_ls_dir(text, boolean, boolean)', 'list the files of the cluster through SQL', true),
  onFunction('pg_stat_file(text, boolean)', 'know their sizes through SQL', true),
  onFunction('pg_read_binary_file(text, bigint, bigint, boolean)', 'read them through SQL', true),
]

export function rightsFor(source: FileSource): readonly Right[] {
  return source === 'sql' ? [...rights, ...sqlSourceRights] : rights
}

/** Which of them the role of the session lacks, with the SQL that a superuser runs to give them. */
export async function lackingRights(
  session: Session,
  wanted: readonly Right[],
): Promise<{ role: string; lacking: readonly { right: Right; cure: string }[] }> {
  const columns = wanted.map((right, index) => `${right.held} as r${index}`)
  const [row] = await session.query<Record<string, unknown>>(
    `select current_user as role, current_database() as database, ${columns.join(', ')}`,
  )
  const role = String(row!['role'])
  const at = { role: quoteIdentifier(role), database: quoteIdentifier(String(row!['database'])) }
  const lacking = wanted.filter((_, index) => row![`r${index}`] !== true)
  return { role, lacking: lacking.map((right) => ({ right, cure: right.grant(at) })) }
}

/** An SQL identifier, quoted where it must be. */
export function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}

/** All statements for a role that does not exist yet, in order. */
export function grantStatements(role: string, database: string, source: FileSource = 'disk'): readonly string[] {
  const at = { role: quoteIdentifier(role), database: quoteIdentifier(database) }
  return [`CREATE ROLE ${at.role} LOGIN;`, ...rightsFor(source).map((right) => right.grant(at))]
}
