// Every way in which talking to PostgreSQL, or running it, fails for a reason that an operator can do something about.
import { defineErrors } from '../base/errors.ts'

export const warehouseErrors = defineErrors('warehouse', {
  // ------------------------------------------------------------ servers that we start
  noBinaries: {
    exit: 'environment',
    message: (at: { what: string }) => `no PostgreSQL binaries for ${at.what}`,
    hint: () =>
      'install with optional dependencies (npm ci without --omit=optional), or name a PostgreSQL of your own: control.url for the control database, url for a warehouse',
  },
  notReachableByServer: {
    exit: 'environment',
    message: (at: { path: string; user: string; folder: string }) =>
      `the user "${at.user}" who runs PostgreSQL cannot enter ${at.folder}, which leads to ${at.path}`,
    hint: () => 'choose a home that other users can enter with --home or WHARF_HOME, for example /var/lib/wharf',
  },
  initFailed: {
    exit: 'failed',
    message: (at: { dataDirectory: string; detail: string }) =>
      `a new data directory could not be made at ${at.dataDirectory}: ${at.detail}`,
    hint: () => 'check free space and rights of that folder',
  },
  serverDied: {
    exit: 'failed',
    message: (at: { dataDirectory: string; detail: string }) =>
      `PostgreSQL did not start on ${at.dataDirectory}: ${at.detail}`,
    hint: (at: { logFile: string }) => `the whole story is in ${at.logFile}`,
  },
  portTaken: {
    exit: 'environment',
    message: (at: { port: number }) => `port ${at.port} is taken by another program`,
    hint: () => 'choose another port, or leave it out to get a free one',
  },
  startTimeout: {
    exit: 'failed',
    message: (at: { dataDirectory: string; seconds: number; status: string }) =>
      `PostgreSQL on ${at.dataDirectory} was not ready after ${at.seconds} s (it says: ${at.status})`,
    hint: (at: { logFile: string }) => `see ${at.logFile}; after a crash it may be replaying WAL: try again later`,
  },
  stopTimeout: {
    exit: 'failed',
    message: (at: { dataDirectory: string; seconds: number; pid: number }) =>
      `PostgreSQL on ${at.dataDirectory} (pid ${at.pid}) was still running ${at.seconds} s after it was told to stop`,
    hint: () => 'a long checkpoint can be the reason: wait, or stop it by hand with pg_ctl stop -m immediate',
  },
  notADataDirectory: {
    exit: 'environment',
    message: (at: { path: string }) => `${at.path} is not a PostgreSQL data directory (it has no PG_VERSION)`,
    hint: () => 'name the folder that SHOW data_directory prints on that server',
  },
  wrongMajor: {
    exit: 'environment',
    message: (at: { path: string; found: number; wanted: number }) =>
      `${at.path} belongs to PostgreSQL ${at.found}, and the binaries at hand are of version ${at.wanted}`,
    hint: (at) => `use binaries of PostgreSQL ${at.found}`,
  },
})
