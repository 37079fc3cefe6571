// The rights that wharf needs, one by one: why, the SQL that gives it, the SQL that asks whether it is there. `wharf warehouse grants` prints
// this table, `wharf warehouse check` walks it, and a test takes each line away in turn.

export interface Right {
  readonly name: string
  readonly why: string
  /** Needed to protect and watch, or only for loads that wharf runs. */
  readonly need: 'always' | 'loads'
  /** What a superuser runs. Functions and databases: in the database that the warehouse's url names. */
  grant(at: { role: string; database: string }): string
  /** True or false for the role of the session. */
  readonly held: string
}

const onFunction = (signature: string, why: string): Right => ({
  name: signature.replace(/\(.*/, ''),
  why,
  need: 'always',
  grant: ({ role }) => `GRANT EXECUTE ON FUNCTION pg_catalog.${signature} TO ${role};`,
  held: `has_function_privilege(current_user, 'pg_catalog.${signature}', 'EXECUTE')`,
})

export const rights: readonly Right[] = [
  {
    name: 'REPLICATION',
    why: 'receive WAL and keep a slot',
    need: 'always',
    grant: ({ role }) => `ALTER ROLE ${role} REPLICATION;`,
    held: `(select rolreplication or rolsuper from pg_roles where rolname = current_user)`,
  },
  {
    name: 'pg_monitor',
    why: 'read all settings (data_directory), statistics and sizes, and list temporary files',
    need: 'always',
    grant: ({ role }) => `GRANT pg_monitor TO ${role};`,
    held: `pg_has_role(current_user, 'pg_monitor', 'USAGE')`,
  },
  onFunction('pg_backup_start(text, boolean)', 'begin a backup'),
  onFunction('pg_backup_stop(boolean)', 'end a backup'),
  onFunction('pg_switch_wal()', 'have a WAL segment archived at once'),
  onFunction('pg_create_restore_point(text)', 'name a point to recover to'),
  {
    name: 'CREATE on the database',
    why: 'keep the journal of loads in a schema of its own',
    need: 'loads',
    grant: ({ role, database }) => `GRANT CREATE ON DATABASE ${database} TO ${role};`,
    held: `has_database_privilege(current_user, current_database(), 'CREATE')`,
  },
]

/** An SQL identifier, quoted where it must be. */
export function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}

/** All statements for a role that does not exist yet, in order. */
export function grantStatements(role: string, database: string): readonly string[] {
  const at = { role: quoteIdentifier(role), database: quoteIdentifier(database) }
  return [`CREATE ROLE ${at.role} LOGIN;`, ...rights.map((right) => right.grant(at))]
}
