// What an operator can be told by the recovery of databases, and by plans of parts. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../base/errors.ts'

const few = (list: readonly string[]): string =>
  list.length > 10 ? `${list.slice(0, 10).join(', ')} and ${list.length - 10} more` : list.join(', ')

export const partErrors = defineErrors('recovery', {
  noSuchDatabase: {
    exit: 'notFound',
    message: (at: { database: string; target: string; known: readonly string[]; suggestion: string | undefined }) =>
      `there was no database ${at.database} at ${at.target}`,
    hint: (at) => at.suggestion ?? `there were ${few(at.known)}; it was made later, or dropped or renamed before`,
  },
  templateDatabase: {
    exit: 'usage',
    message: (at: { database: string }) => `${at.database} is a template of PostgreSQL's own`,
    hint: () => 'name the database whose tables are wanted; a new one is made from template0 all the same',
  },
  databaseTaken: {
    exit: 'failed',
    message: (at: { database: string }) => `a database ${at.database} exists already`,
    hint: () => 'nothing was changed; give another name with --as, or rename the one that is there',
  },
  mayNotCreate: {
    exit: 'failed',
    message: (at: { user: string }) => `user ${at.user} may not make databases`,
    hint: () => 'nothing was changed; declare the warehouse with a superuser',
  },
  noPgDump: {
    exit: 'failed',
    message: (at: { major: number; tried: string | undefined }) =>
      at.tried === undefined
        ? `pg_dump of PostgreSQL ${at.major} was not found`
        : `${at.tried} is no pg_dump of PostgreSQL ${at.major} or older`,
    hint: (at) =>
      `it writes down what the database is made of, beside its rows: install the client programs of PostgreSQL ${at.major} (postgresql-client-${at.major}), or name it with --pg-dump PATH`,
  },
  oldPgDump: {
    exit: 'failed',
    message: (at: { path: string; major: number; server: number }) =>
      `${at.path} is of PostgreSQL ${at.major}, the backup of ${at.server}`,
    hint: (at) =>
      `nothing was made; pg_dump reads no server that is newer than itself: install the client programs of PostgreSQL ${at.server} (postgresql-client-${at.server}), or name one of ${at.server} or newer with --pg-dump PATH`,
  },
  dumpFailed: {
    exit: 'failed',
    message: (at: { database: string; why: string }) =>
      `what database ${at.database} is made of could not be read: ${at.why}`,
    hint: () => 'nothing was changed; --allow-corrupt restores damaged blocks as they are',
  },
  policyForNobody: {
    exit: 'failed',
    message: (at: { policy: string; table: string; role: string }) =>
      `policy ${at.policy} of ${at.table} is for role ${at.role}, which does not exist any more`,
    hint: () => 'nothing was changed; without it others might see more: make the role again, if need be with NOLOGIN',
  },
  cannotCarryOver: {
    exit: 'failed',
    message: (at: { statement: string; why: string }) => `the live server refused "${at.statement}": ${at.why}`,
    hint: () =>
      'the new database was dropped again, nothing else was changed; what it needs (extensions, libraries, roles, rights) may be missing there now',
  },
  noRelationInBackup: {
    exit: 'notFound',
    message: (at: { relation: string; backup: string }) => `backup ${at.backup} knows no relation ${at.relation}`,
    hint: () =>
      'schema.name of a table, an index or a TOAST table, as wharf backup inspect shows them; --database names its database',
  },
  manyPlans: {
    exit: 'usage',
    message: (at: { options: readonly string[] }) => `${at.options.join(' and ')} are plans of different recoveries`,
    hint: () => 'ask for one at a time',
  },
  unknownTablespace: {
    exit: 'notFound',
    message: (at: { tablespace: string; target: string; known: readonly string[] }) =>
      `there was no tablespace ${at.tablespace} at ${at.target}`,
    hint: (at) =>
      at.known.length === 0 ? 'there were none but pg_default and pg_global' : `there were ${few(at.known)}`,
  },
  sharedTablespace: {
    exit: 'usage',
    message: (at: { tablespace: string }) => `${at.tablespace} holds what all databases share`,
    hint: () => 'that comes back with the whole only: wharf recover run',
  },
  emptyTablespace: {
    exit: 'notFound',
    message: (at: { tablespace: string; database: string; target: string; elsewhere: readonly string[] }) =>
      `no table of database ${at.database} was in tablespace ${at.tablespace} at ${at.target}`,
    hint: (at) =>
      at.elsewhere.length === 0
        ? 'nothing but indexes, or what was not logged, was there: wharf recover table brings back a table with its indexes'
        : `tables of ${few(at.elsewhere)} were: name one with --database`,
  },
})
