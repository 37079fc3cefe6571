// What an operator can be told by the recovery of tables. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../base/errors.ts'

const few = (list: readonly string[]): string =>
  list.length > 10 ? `${list.slice(0, 10).join(', ')} and ${list.length - 10} more` : list.join(', ')

export const tableErrors = defineErrors('recovery', {
  badTableName: {
    exit: 'usage',
    message: (at: { text: string }) => `not a name of a table: "${at.text}"`,
    hint: () => 'for example orders, sales.orders or \'"Sales"."Big Orders"\'',
  },
  noTable: {
    exit: 'usage',
    message: () => 'no table is named',
    hint: () => 'wharf recover table sales.orders --at "2026-11-20 14:05"',
  },
  whichWarehouse: {
    exit: 'usage',
    message: (at: { known: readonly string[] }) =>
      at.known.length === 0 ? 'no warehouse is declared' : `several warehouses are declared: ${few(at.known)}`,
    hint: () => 'name one with --warehouse; wharf warehouse add NAME URL declares one',
  },
  manyForOneName: {
    exit: 'usage',
    message: (at: { as: string; count: number }) => `--as ${at.as} is one name for ${at.count} tables`,
    hint: () => 'recover them one by one, or leave --as out: they come back as NAME_recovered',
  },
  unknownTable: {
    exit: 'notFound',
    message: (at: { table: string; target: string; database: string; suggestion: string | undefined }) =>
      `there was no table ${at.table} in database ${at.database} at ${at.target}`,
    hint: (at) =>
      at.suggestion ??
      'it was made later, or dropped or renamed before; names are case sensitive in double quotes only',
  },
  ambiguousTable: {
    exit: 'notFound',
    message: (at: { table: string; found: readonly string[] }) => `${at.table} is in several schemas: ${few(at.found)}`,
    hint: () => 'name the schema too',
  },
  notATable: {
    exit: 'failed',
    message: (at: { table: string; what: string }) => `${at.table} was ${at.what}, not a table`,
    hint: () => 'what it is made from can be recovered: name the tables behind it',
  },
  notLogged: {
    exit: 'failed',
    message: (at: { table: string }) => `${at.table} was not logged: no backup holds its rows`,
    hint: () => 'wharf recover copies brings back a kept copy, wharf recover loads runs its loads again',
  },
  leftOutByTier: {
    exit: 'failed',
    message: (at: { tables: readonly string[]; backup: string }) =>
      `${few(at.tables)} ${at.tables.length === 1 ? 'is' : 'are'} of tier scratch: backup ${at.backup} has left ${at.tables.length === 1 ? 'it' : 'them'} out`,
    hint: () => 'nothing holds its rows; wharf recover loads runs its loads again',
  },
  unknownDatabase: {
    exit: 'notFound',
    message: (at: { database: string; target: string }) => `there was no database ${at.database} at ${at.target}`,
    hint: () => 'name another one with --database',
  },
  noLiveDatabase: {
    exit: 'notFound',
    message: (at: { database: string }) => `there is no database ${at.database} on the live server`,
    hint: (at) =>
      `name another one with --database; one that was dropped comes back whole: wharf recover database ${at.database}`,
  },
  nameTaken: {
    exit: 'failed',
    message: (at: { name: string }) => `${at.name} exists already`,
    hint: () => 'nothing was changed; give another name with --as, or drop it',
  },
  cannotMake: {
    exit: 'failed',
    message: (at: { table: string; why: string }) => `${at.table} cannot be made on the live server: ${at.why}`,
    hint: () => 'nothing was changed; what it needs (types, functions, extensions, rights) may be missing there now',
  },
  rowsLost: {
    exit: 'failed',
    message: (at: { table: string; read: number; written: number }) =>
      `${at.read} rows of ${at.table} were read and ${at.written} written`,
    hint: () => 'nothing was changed',
  },
  cannotSwap: {
    exit: 'failed',
    message: (at: { tables: readonly string[]; dependents: readonly string[] }) =>
      `${few(at.tables)} cannot be replaced exactly: ${few(at.dependents)} ${at.dependents.length === 1 ? 'depends' : 'depend'} on it`,
    hint: () =>
      'nothing was changed; drop what depends and make it again afterwards, or use --mode merge, which keeps the table',
  },
  keyViolated: {
    exit: 'failed',
    message: (at: { table: string; key: string; rows: number | undefined }) =>
      `${at.rows === undefined ? 'rows' : `${at.rows} ${at.rows === 1 ? 'row' : 'rows'}`} of ${at.table} would have no match for foreign key ${at.key}`,
    hint: () =>
      'nothing was changed; recover the other table to the same point too, or leave the rows beside (--mode beside)',
  },
  cannotMerge: {
    exit: 'failed',
    message: (at: { table: string; gone: readonly string[]; other: readonly string[] }) =>
      `${at.table} cannot take the rows of then: ${[
        ...(at.gone.length > 0 ? [`it has no column ${few(at.gone)} any more`] : []),
        ...(at.other.length > 0 ? [`column ${few(at.other)} is of another type now`] : []),
      ].join(', ')}`,
    hint: () => 'nothing was changed; leave them beside (--mode beside), or replace the table (--mode swap)',
  },
  noKey: {
    exit: 'failed',
    message: (at: { table: string }) => `${at.table} has no primary key to merge by`,
    hint: () =>
      'nothing was changed; leave the rows beside (--mode beside) and insert from there what is missing, or replace the table (--mode swap)',
  },
  otherKey: {
    exit: 'failed',
    message: (at: { table: string; old: readonly string[]; live: readonly string[] }) =>
      `${at.table} has another primary key now, (${at.live.join(', ')}) instead of (${at.old.join(', ')}): rows cannot be merged by it`,
    hint: () =>
      'nothing was changed; leave the rows beside (--mode beside) and insert from there what is missing, or replace the table (--mode swap)',
  },
  nothingToMerge: {
    exit: 'failed',
    message: (at: { table: string }) => `${at.table} does not exist any more: there is nothing to merge into`,
    hint: () => 'leave --mode out: it comes back under its own name',
  },
})
