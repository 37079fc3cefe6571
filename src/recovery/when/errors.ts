// What an operator can be told by `recover when`.
import { defineErrors } from '../../base/errors.ts'

export const whenErrors = defineErrors('recovery', {
  badRelationName: {
    exit: 'usage',
    message: (text: string) => `not the name of a table: "${text}"`,
    hint: () => 'schema.table or database.schema.table; "double quotes" around names with dots',
  },
  unknownRelation: {
    exit: 'notFound',
    message: (at: { relation: string; database: string; backup: string }) =>
      `there is no table ${at.relation} in ${at.database}: neither in backup ${at.backup} nor in the WAL since`,
    hint: () => 'names are case sensitive; with an earlier --since an older backup is looked at',
  },
  unknownDatabase: {
    exit: 'notFound',
    message: (at: { database: string; backup: string }) => `backup ${at.backup} holds no database "${at.database}"`,
    hint: () => 'wharf backup show names the databases of a backup; names are case sensitive',
  },
  ambiguousRelation: {
    exit: 'notFound',
    message: (at: { relation: string; databases: readonly string[] }) =>
      `table ${at.relation} is in several databases: ${at.databases.join(', ')}`,
    hint: () => 'name the database with --database',
  },
  badSpan: {
    exit: 'usage',
    message: (at: { since: string; until: string }) => `--since ${at.since} is not before --until ${at.until}`,
  },
})
