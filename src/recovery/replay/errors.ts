// What an operator can be told of what was not logged: copies of unlogged tables, and loads that are run again. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../../base/errors.ts'

export const replayErrors = defineErrors('recovery', {
  noCopy: {
    exit: 'notFound',
    message: (at: { warehouse: string; what: readonly string[] }) =>
      `the repository has no copy of unlogged tables of warehouse "${at.warehouse}"${at.what.length === 0 ? '' : ` for ${at.what.join(', ')}`}`,
    hint: () => 'wharf backup copies shows what there is',
  },
  tableNotEmpty: {
    exit: 'failed',
    message: (at: { table: string }) => `${at.table} holds rows`,
    hint: () => 'nothing of this database was changed; --overwrite replaces them by those of the copy',
  },
  otherColumns: {
    exit: 'failed',
    message: (at: { table: string; expected: string; found: string }) =>
      at.found === ''
        ? `there is no table ${at.table}`
        : `${at.table} has the columns (${at.found}), the copy has (${at.expected})`,
    hint: () =>
      'nothing of this database was changed; choose an older or newer copy with --copy, or leave the table out with --table',
  },
  copyDiffers: {
    exit: 'failed',
    message: (at: { table: string }) => `${at.table} does not hold the rows of the copy after they were written`,
    hint: () =>
      'nothing of this database was changed; somebody else may write to the table, or a rule or trigger of it changes rows',
  },
  noKeptLoad: {
    exit: 'notFound',
    message: (at: { warehouse: string; repository: string }) =>
      `repository "${at.repository}" keeps no load of warehouse "${at.warehouse}"`,
    hint: () => 'loads are kept where their pipeline says "keep: inputs"; what others wrote has to be loaded again',
  },
  otherServer: {
    exit: 'notFound',
    message: (at: { server: string; kept: readonly string[] }) =>
      `the server has system identifier ${at.server}; the loads that are kept were of ${at.kept.join(', ')}`,
    hint: () => 'replay goes into a server that was recovered from a backup of the same cluster',
  },
  unknownLoads: {
    exit: 'usage',
    message: (ids: readonly string[]) => `--except names no load that is kept: ${ids.join(', ')}`,
    hint: () => 'wharf recover loads WAREHOUSE --to URL --plan shows the ids',
  },
  tablesFilled: {
    exit: 'failed',
    message: (tables: readonly string[]) => `rows are there already, and not from a replay: ${tables.join(', ')}`,
    hint: () =>
      'nothing was changed. A server that was never recovered has its rows still: replay would write them twice; --overwrite empties these tables first',
  },
  replayBusy: {
    exit: 'busy',
    message: (database: string) => `another replay works in database "${database}" of this server`,
    hint: () => 'wait until it has ended; one that was killed lets go as soon as the server notices',
  },
  loadsNotReplayed: {
    exit: 'failed',
    message: (at: { warehouse: string; directory: string; port: number; user: string; why: string }) =>
      `${at.directory} is recovered, proven and open on port ${at.port}, but its loads did not all come back: ${at.why}`,
    hint: (at) =>
      `the server runs; once the cause is gone: wharf recover loads ${at.warehouse} --to postgresql://${at.user}@127.0.0.1:${at.port}/postgres goes on from there`,
  },
  replayFailed: {
    exit: 'failed',
    message: (at: { load: string; what: string; at: string; why: string }) =>
      `replay stopped at load ${at.load} (${at.what}, at ${at.at}): ${at.why}`,
    hint: (at) =>
      `what was replayed before it stays, and the same command goes on from there; once the cause is gone run it again, or leave the load out with --except ${at.load}`,
  },
})
