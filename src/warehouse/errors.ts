// Every way in which talking to PostgreSQL, or running it, fails for a reason that an operator can do something about.
import { defineErrors } from '../base/errors.ts'

interface Target {
  /** `warehouse "retail"` or `the control database`. */
  readonly what: string
  /** `10.0.0.1:5432`, `/run/postgresql:5432`. */
  readonly where: string
}

export const warehouseErrors = defineErrors('warehouse', {
  // ------------------------------------------------------------ declarations
  unknown: {
    exit: 'notFound',
    message: (at: { name: string; suggestion: string | undefined }) => `no warehouse is called "${at.name}"`,
    hint: (at) => at.suggestion ?? 'declare one: wharf warehouse add NAME URL',
  },
  noneDeclared: {
    exit: 'notFound',
    message: () => 'no warehouse is declared',
    hint: () => 'declare one: wharf warehouse add NAME URL',
  },
  exists: {
    exit: 'failed',
    message: (at: { name: string; file: string }) => `${at.file} already declares a warehouse "${at.name}"`,
    hint: (at) => `choose another name, or first: wharf warehouse remove ${at.name}`,
  },
  badUrl: {
    exit: 'configuration',
    message: (at: { reason: string }) => `not a connection URL: ${at.reason}`,
    hint: () => 'postgresql://user@host:5432/database?sslmode=verify-full',
  },
  passwordOnCommandLine: {
    exit: 'usage',
    message: () => 'the URL holds a password, which everyone on this machine could see in the process list',
    hint: () => 'leave it out of the URL and add --password-env NAME or --password-file PATH',
  },
  nothingToAdd: {
    exit: 'usage',
    message: (at: { name: string }) => `neither a URL nor --managed is given for warehouse "${at.name}"`,
    hint: () => 'wharf warehouse add NAME postgresql://user@host:5432/database, or wharf warehouse add NAME --managed',
  },
  badEntry: {
    exit: 'usage',
    message: (at: { name: string; reason: string }) =>
      `warehouse "${at.name}" cannot be declared like this: ${at.reason}`,
    hint: (at: { hint: string | undefined }) => at.hint ?? 'wharf help warehouse add',
  },
  inUse: {
    exit: 'failed',
    message: (at: { name: string; path: string }) =>
      `warehouse "${at.name}" is still named by ${at.path} in wharf.yaml`,
    hint: () => 'remove or change that first',
  },
  badPasswordFile: {
    exit: 'configuration',
    message: (at: { what: string; file: string; reason: string }) =>
      `the password file ${at.file} of ${at.what} cannot be used: ${at.reason}`,
    hint: () => 'one line with the password, readable by the user that runs wharf and by nobody else (chmod 600)',
  },
  badCertificateFile: {
    exit: 'configuration',
    message: (at: { what: string; file: string; reason: string }) =>
      `the certificate file ${at.file} of ${at.what} cannot be read: ${at.reason}`,
    hint: () => 'a PEM file that the user who runs wharf may read',
  },

  // ------------------------------------------------------------ connecting
  unknownHost: {
    exit: 'unreachable',
    passing: true,
    message: (at: Target & { host: string }) => `the host "${at.host}" of ${at.what} is not known`,
    hint: () => 'check the spelling in the URL and that the name resolves on this machine',
  },
  unreachable: {
    exit: 'unreachable',
    passing: true,
    message: (at: Target & { reason: string }) => `${at.what} cannot be reached at ${at.where}: ${at.reason}`,
    hint: () =>
      'is PostgreSQL running there, do port and listen_addresses match the URL, and does the firewall let this machine in?',
  },
  notPostgres: {
    exit: 'configuration',
    message: (at: Target) => `what answers for ${at.what} at ${at.where} does not speak the PostgreSQL protocol`,
    hint: () => 'check the port in the URL; PostgreSQL usually listens on 5432',
  },
  wrongPassword: {
    exit: 'denied',
    message: (at: Target & { user: string }) => `${at.what} refused the password of user "${at.user}" at ${at.where}`,
    hint: () =>
      'check that the role exists (wharf warehouse grants prints it), its password, and where that comes from: password, password_file or the URL in wharf.yaml',
  },
  noPassword: {
    exit: 'denied',
    message: (at: Target & { user: string }) => `${at.what} asks for a password of user "${at.user}" and none is given`,
    hint: () => 'set password: ${env:NAME} or ${file:PATH}, or password_file: PATH, for this warehouse in wharf.yaml',
  },
  notAdmitted: {
    exit: 'denied',
    message: (at: Target & { user: string; reason: string }) =>
      `${at.what} does not let user "${at.user}" in: ${at.reason}`,
    hint: (at) =>
      /pg_hba/.test(at.reason)
        ? 'add a line for this user and address to pg_hba.conf on the server, then SELECT pg_reload_conf()'
        : 'check the user in the URL; wharf warehouse grants prints how to create one',
  },
  noDatabase: {
    exit: 'notFound',
    message: (at: Target & { database: string }) => `${at.what} has no database "${at.database}"`,
    hint: () => 'check the last part of the URL; psql -l lists the databases',
  },
  tooManyConnections: {
    exit: 'busy',
    passing: true,
    message: (at: Target) => `${at.what} has no free connection left`,
    hint: () => 'raise max_connections, or end sessions that are idle; this is tried again by itself',
  },
  notReady: {
    exit: 'unreachable',
    passing: true,
    message: (at: Target & { reason: string }) => `${at.what} takes no connections now: ${at.reason}`,
    hint: () => 'it is starting, stopping or recovering; try again in a moment',
  },
  tlsNotOffered: {
    exit: 'configuration',
    message: (at: Target) => `${at.what} at ${at.where} does not offer TLS, and its sslmode demands it`,
    hint: () => 'turn ssl on at the server, or, on a network that you trust, use sslmode=disable',
  },
  tlsRefused: {
    exit: 'denied',
    message: (at: Target & { reason: string }) =>
      `the TLS certificate of ${at.what} at ${at.where} is not accepted: ${at.reason}`,
    hint: () => 'name the authority with sslrootcert=FILE, and the host as the certificate has it',
  },
  unsupportedVersion: {
    exit: 'environment',
    message: (at: Target & { version: string }) => `${at.what} runs PostgreSQL ${at.version}, which is not supported`,
    hint: () => 'this release works with PostgreSQL 15, 16, 17 and 18',
  },
  connectionLost: {
    exit: 'unreachable',
    passing: true,
    message: (at: Target & { reason: string }) => `the connection to ${at.what} at ${at.where} was lost: ${at.reason}`,
    hint: () => 'the server or the network ended it; work that can be repeated is tried again by itself',
  },
  denied: {
    exit: 'denied',
    message: (at: Target & { user: string; reason: string }) =>
      `user "${at.user}" of ${at.what} may not do this: ${at.reason}`,
    hint: () => 'wharf warehouse grants prints the rights that are needed, wharf warehouse check what is missing',
  },

  // ------------------------------------------------------------ replication
  slotBusy: {
    exit: 'busy',
    passing: true,
    message: (at: Target & { slot: string; reason: string }) =>
      `the slot "${at.slot}" of ${at.what} is in use: ${at.reason}`,
    hint: () => 'a connection that broke keeps it until wal_sender_timeout; otherwise another wharf receives with it',
  },
  slotLost: {
    exit: 'failed',
    message: (at: Target & { slot: string; reason: string }) =>
      `the slot "${at.slot}" of ${at.what} cannot be used: ${at.reason}`,
    hint: () => 'WAL that it held is gone; drop it, let it be made anew and take a backup',
  },
  walGone: {
    exit: 'failed',
    message: (at: Target & { reason: string }) => `${at.what} no longer has the WAL that was asked for: ${at.reason}`,
    hint: () => 'take a new full backup; raise max_slot_wal_keep_size if this happens again',
  },
  badStream: {
    exit: 'failed',
    passing: true,
    message: (at: Target & { reason: string }) => `the WAL stream of ${at.what} does not make sense: ${at.reason}`,
    hint: () => 'connecting again usually helps; please report it if it does not',
  },

  // ------------------------------------------------------------ managed warehouses
  notManaged: {
    exit: 'usage',
    message: (at: { name: string }) => `warehouse "${at.name}" is not one that wharf runs itself`,
    hint: () => 'set managed: true instead of a url, or start its server the way you always do',
  },
  managedDataGone: {
    exit: 'damaged',
    message: (at: { name: string; path: string }) =>
      `the data directory of the managed warehouse "${at.name}" is gone: ${at.path}`,
    hint: () => 'bring it back with wharf recover run; to begin with an empty one, remove the folder above it',
  },
  managedNotRunning: {
    exit: 'unreachable',
    passing: true,
    message: (at: { name: string }) => `the managed warehouse "${at.name}" is not running`,
    hint: () => 'wharf up starts it',
  },

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
  foreignSocketFolder: {
    exit: 'denied',
    message: (at: { folder: string }) => `the folder for the server's socket belongs to somebody else: ${at.folder}`,
    hint: () => 'look who made it and remove it, or choose a home with a shorter path: then the socket lies in it',
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
  interlockBusy: {
    exit: 'busy',
    passing: true,
    message: (at: { warehouse: string; what: string; holders: readonly string[]; seconds: number }) =>
      `${at.what} of warehouse ${at.warehouse} was still running after ${at.seconds} s: ${at.holders.join(', ')}`,
    hint: () => 'backups and loads that are not logged never overlap: try again when it has ended',
  },
  interlockLost: {
    exit: 'unreachable',
    passing: true,
    message: (at: { warehouse: string; why: string }) =>
      `the session that keeps backups and unlogged loads of warehouse ${at.warehouse} apart ended: ${at.why}`,
    hint: () => 'what ran under it was stopped; look at the log of the server and run it again',
  },
})
