// Errors of the HTTP server.
import { defineErrors } from '../base/errors.ts'

export const errors = defineErrors('server', {
  portTaken: {
    exit: 'busy',
    message: (at: { host: string; port: number }) =>
      `cannot listen on ${at.host} port ${at.port}: another program holds it`,
    hint: () =>
      'stop the other program (another "wharf up"?), or set another address: server: {listen: "127.0.0.1:7781"} in wharf.yaml',
  },
  portDenied: {
    exit: 'denied',
    message: (at: { host: string; port: number }) => `cannot listen on ${at.host} port ${at.port}: not allowed`,
    hint: () => 'ports below 1024 need rights: take a higher one in server.listen, and put a proxy before it',
  },
  addressUnknown: {
    exit: 'environment',
    message: (at: { host: string; port: number }) =>
      `cannot listen on ${at.host} port ${at.port}: this machine has no such address`,
    hint: () =>
      'server.listen takes an address of this machine: 127.0.0.1 for this machine alone, 0.0.0.0 for all networks',
  },
  listenFailed: {
    exit: 'environment',
    message: (at: { host: string; port: number; why: string }) =>
      `cannot listen on ${at.host} port ${at.port}: ${at.why}`,
  },
  tlsUnreadable: {
    exit: 'configuration',
    message: (at: { file: string; why: string }) => `cannot read ${at.file} named in server.tls: ${at.why}`,
    hint: () => 'both files must be PEM and readable by the user that runs wharf',
  },
  badInput: {
    exit: 'usage',
    message: (at: { at: string; why: string }) => (at.at === '' ? at.why : `${at.at}: ${at.why}`),
    hint: () => 'the accepted fields of each operation are at /openapi.json',
  },
  badBody: {
    exit: 'usage',
    message: () => 'the body is not a JSON object',
    hint: () => 'send Content-Type: application/json and an object',
  },
  noSuchPath: {
    exit: 'notFound',
    message: (at: { method: string; path: string }) => `nothing answers ${at.method} ${at.path}`,
    hint: () => 'all endpoints are listed at /openapi.json',
  },
  notLoggedIn: {
    exit: 'denied',
    message: () => 'not logged in',
    hint: () => 'log in at /login, or POST /api/session with account and password',
  },
  wrongPassword: {
    exit: 'denied',
    message: () => 'account or password is wrong',
    hint: () => '"wharf admin password" sets a new one on the machine that runs wharf',
  },
  roleTooLow: {
    exit: 'denied',
    message: (at: { operation: string; role: string; has: string }) =>
      `"${at.operation}" needs the role ${at.role}, this account is ${at.has}`,
    hint: () => 'ask an admin',
  },
  foreignOrigin: {
    exit: 'denied',
    message: (origin: string) => `request from a foreign page refused (origin ${origin})`,
    hint: () => 'behind a proxy set server.public_url to the address that people use',
  },
  foreignHost: {
    exit: 'denied',
    message: (host: string) => `request for an unknown host name refused (host ${host})`,
    hint: () => 'behind a proxy set server.public_url to the address that people use',
  },
  tooManyTries: {
    exit: 'busy',
    passing: true,
    message: () => 'too many tries to log in',
    hint: () => 'wait a minute',
  },
  metricsClosed: {
    exit: 'denied',
    message: () => 'metrics are served to this machine only',
    hint: () => 'set server.metrics_token and send it as "Authorization: Bearer …"',
  },
  confirmationMissing: {
    exit: 'denied',
    message: (operation: string) => `"${operation}" destroys something and was not confirmed`,
    hint: () => 'send the header "Wharf-Confirm: yes" once the consequences are clear',
  },
  idempotencyKey: {
    exit: 'usage',
    message: () => 'Idempotency-Key must be 1 to 200 printable characters',
    hint: () => 'a random UUID per thing that you want done once',
  },
  unknownOperation: { exit: 'notFound', message: (name: string) => `no operation is called "${name}"` },
  unknownRun: {
    exit: 'notFound',
    message: (id: string) => `no run has the id "${id}"`,
    hint: () => '"wharf run list" shows the newest',
  },
  unknownAccount: {
    exit: 'notFound',
    message: (name: string) => `no account is called "${name}"`,
    hint: () => 'the first account is "admin"',
  },
  passwordTooShort: {
    exit: 'usage',
    message: (least: number) => `the password is shorter than ${least} characters`,
    hint: () => 'leave it out and a random one is made',
  },
  consoleMissing: {
    exit: 'environment',
    message: () => 'the console has not been built',
    hint: () => 'run "npm run build" once in the clone; installed packages contain it',
  },
})
