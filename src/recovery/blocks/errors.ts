// What an operator can be told by `recover block` before any block is looked at. Why single blocks are refused is text of its own: result.ts.
import { defineErrors } from '../../base/errors.ts'

export const blockErrors = defineErrors('recovery', {
  noBlocks: {
    exit: 'usage',
    message: () => 'no block was named',
    hint: () => '--relation schema.table --block 7, or --file base/5/16384 --block 7, or --from-check',
  },
  badBlocks: {
    exit: 'usage',
    message: (text: string) => `not a list of blocks: "${text}"`,
    hint: () => 'numbers and ranges from 0 on, for example 7,12,20-25',
  },
  badBlockFile: {
    exit: 'usage',
    message: (text: string) => `not a file of a relation: "${text}"`,
    hint: () => 'as pg_relation_filepath() gives it, for example base/5/16384; with .1 for the second segment',
  },
  mapFork: {
    exit: 'usage',
    message: (at: { fork: string; what: string }) =>
      `the ${at.fork} fork of ${at.what} is not healed: PostgreSQL makes it anew`,
    hint: (at) =>
      at.fork === 'vm'
        ? 'a bad page of it is read as zeros, and VACUUM (DISABLE_PAGE_SKIPPING) fills it; or create extension pg_visibility, pg_truncate_visibility_map()'
        : 'a bad page of it is read as zeros, and VACUUM fills it',
  },
  unknownBlockRelation: {
    exit: 'notFound',
    message: (at: { relation: string; database: string }) =>
      `there is no relation ${at.relation} in database ${at.database}`,
    hint: () => 'an index and a TOAST table have names of their own; names are case sensitive',
  },
  blockNoStorage: {
    exit: 'usage',
    message: (relation: string) => `${relation} has no file of its own`,
    hint: () => 'of a partitioned table or index name the partitions',
  },
  blockNotHere: {
    exit: 'failed',
    message: (at: { folder: string; why: string }) =>
      `the data directory ${at.folder} cannot be healed from here: ${at.why}`,
    hint: () => 'run the command on the host of the server, as root or as its user',
  },
  blockOtherCluster: {
    exit: 'failed',
    message: (at: { folder: string; found: string; wanted: string }) =>
      `${at.folder} is of cluster ${at.found}, the backups are of cluster ${at.wanted}`,
    hint: () => 'name the right warehouse with --warehouse',
  },
  blockOtherTimeline: {
    exit: 'failed',
    message: (at: { timeline: number; why: string }) =>
      `the server's timeline ${at.timeline} is not the one in the repository: ${at.why}`,
    hint: () =>
      'pages of another history would be wrong here; let the repository receive the WAL of this server, and take a backup of it',
  },
  blockNoFile: {
    exit: 'notFound',
    message: (file: string) => `there is no file ${file} in the data directory`,
    hint: () => 'the relation was dropped or rewritten; pg_relation_filepath() tells where it lies now',
  },
  blockServerRuns: {
    exit: 'busy',
    message: (folder: string) => `a server runs on ${folder}`,
    hint: () => 'leave --data-directory out to heal while it runs, or stop it first',
  },
  blockNotShutDown: {
    exit: 'failed',
    message: (at: { folder: string; state: string }) =>
      `the server of ${at.folder} was not shut down: pg_control says "${at.state}"`,
    hint: () => 'start it and stop it in order; its last changes may still be only in WAL',
  },
  blockNoImage: {
    exit: 'notFound',
    message: (at: { warehouse: string; why: readonly string[] }) =>
      `no backup of ${at.warehouse} holds a good image to begin with`,
    hint: (at) => at.why.join('; '),
  },
  blockLocked: {
    exit: 'busy',
    message: (at: { table: string; waitedMs: number }) => `${at.table} could not be locked within ${at.waitedMs} ms`,
    hint: () => 'nothing was changed; somebody uses the table: run again later, or with a longer --lock-timeout',
  },
  blockLockLost: {
    exit: 'failed',
    message: (table: string) => `the lock of ${table} was lost while a block was being healed`,
    hint: () => 'the block was not written; run again',
  },
  blockNoBufferView: {
    exit: 'environment',
    message: (why: string) => `nobody can tell whether the server holds the block in memory: ${why}`,
    hint: () =>
      'the extension pg_buffercache (contrib) and a superuser are needed; or stop the server and name --data-directory',
  },
  blockNotReadBack: {
    exit: 'failed',
    message: (at: { file: string; block: number; kept: string }) =>
      `the server does not read back what was written to block ${at.block} of ${at.file}`,
    hint: (at) => `the page as it was is kept in ${at.kept}; stop writing to that disk and look at it`,
  },
})
