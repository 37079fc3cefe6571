// HTTP: the operations, events, metrics and the console's files.
import { daemons, offer, provide, type Room } from '../base/room.ts'
import { serverSection } from './config.ts'
import { consoleServer } from './contract.ts'
import { buildConsoleServer, serverDaemon } from './listening.ts'
import { adminPassword } from './operations/admin-password.ts'
import { runCancel, runList, runLog, runRetry, runShow } from './operations/runs.ts'
import { operationTask } from './operation-task.ts'

export const room: Room = {
  name: 'server',
  summary: 'HTTP: one endpoint per operation, log-in, events, metrics, the console',
  config: [serverSection],
  groups: {
    admin: 'accounts of the console',
    run: 'runs of every kind, loads and backups: list, show, log, cancel, retry',
  },
  operations: [adminPassword, runList, runShow, runLog, runCancel, runRetry],
  migrations: [{ name: '0001-accounts', file: new URL('migrations/0001-accounts.sql', import.meta.url) }],
  services: [provide(consoleServer, (context) => buildConsoleServer(context))],
  offers: [offer(daemons, serverDaemon), { point: 'task kind', value: operationTask }],
}
