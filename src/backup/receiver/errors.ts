// What can go wrong with receiving WAL, as an operator reads it.
import { defineErrors } from '../../base/errors.ts'

export const receiverErrors = defineErrors('backup', {
  slotInUse: {
    exit: 'busy',
    passing: true,
    message: (at: { warehouse: string; slot: string }) =>
      `somebody else receives the WAL of warehouse ${at.warehouse} through the slot ${at.slot}`,
    hint: () =>
      'only one receiver at a time: is another wharf running? `select * from pg_stat_replication` on the server shows it',
  },
  serverSilent: {
    exit: 'unreachable',
    passing: true,
    message: (at: { warehouse: string; seconds: number }) =>
      `the server of warehouse ${at.warehouse} said nothing for ${at.seconds} s while streaming WAL`,
    hint: () => 'the connection is half open or the server is stuck; a new connection is made',
  },
  serverEnded: {
    exit: 'unreachable',
    passing: true,
    message: (at: { warehouse: string }) => `the server of warehouse ${at.warehouse} ended the stream of WAL`,
    hint: () => 'it is shutting down or was restarted; a new connection is made',
  },
  repositoryAhead: {
    exit: 'failed',
    message: (at: { warehouse: string; repository: string; server: string }) =>
      `the repository holds WAL of warehouse ${at.warehouse} up to ${at.repository}, its server has only ${at.server}`,
    hint: () =>
      'the server lost its newest WAL, or this is another server with the same system identifier: find out which before going on',
  },
  noWalYet: {
    exit: 'unreachable',
    passing: true,
    message: (at: { warehouse: string; lsn: string; why: string }) =>
      `WAL of warehouse ${at.warehouse} up to ${at.lsn} did not become durable: ${at.why}`,
    hint: () => 'see `wharf wal status`',
  },
  spoolFailed: {
    exit: 'environment',
    passing: true,
    message: (at: { folder: string; why: string }) =>
      `WAL cannot be kept in the synchronous spool ${at.folder}: ${at.why}`,
    hint: () => 'commits wait until it can, unless another standby answers: make space, or look at the disk',
  },
  remoteApply: {
    exit: 'configuration',
    message: (at: { warehouse: string }) =>
      `warehouse ${at.warehouse} is received synchronously, but synchronous_commit is remote_apply there`,
    hint: () => 'nothing is ever applied here, commits would wait for ever: set synchronous_commit = on',
  },
  givenUp: {
    exit: 'busy',
    passing: true,
    message: (at: { warehouse: string; since: string }) =>
      `the slot of warehouse ${at.warehouse} was given up at ${at.since}: too little space is left for WAL on the server`,
    hint: () => 'make space there; `wharf up` receives again by itself when enough is free, and takes a backup',
  },
  archivesNothing: {
    exit: 'configuration',
    message: (at: { warehouse: string }) => `the server of warehouse ${at.warehouse} archives no WAL`,
    hint: () =>
      'wal.<warehouse>.mode is archive: set archive_mode = on and the archive_command that `wharf wal archive-command` prints, or choose mode: stream',
  },
  notReceiving: {
    exit: 'configuration',
    message: (at: { warehouse: string }) => `warehouse ${at.warehouse} has no repository to keep its WAL in`,
    hint: () => 'name one under warehouses.<name>.repositories in wharf.yaml',
  },
})
