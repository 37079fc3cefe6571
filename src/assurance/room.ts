// What is lost and how long now.
import { daemons, metricSources, offer, provide, type Room } from '../base/room.ts'
import { targetsSection } from './config.ts'
import { recoverability } from './contract.ts'
import { recoverabilityMetrics } from './metrics.ts'
import { history } from './operations/history.ts'
import { status } from './operations/status.ts'
import { timeline } from './operations/timeline.ts'
import { buildRecoverability } from './recoverability.ts'
import { samplerDaemon } from './samples.ts'

export const room: Room = {
  name: 'assurance',
  summary: 'What would be lost now, how long recovery would take, what is wrong',
  config: [targetsSection],
  operations: [status, history, timeline],
  migrations: [{ name: '0001-samples', file: new URL('migrations/0001-samples.sql', import.meta.url) }],
  services: [provide(recoverability, (context, scope) => buildRecoverability(context, scope))],
  offers: [offer(metricSources, recoverabilityMetrics), offer(daemons, samplerDaemon)],
}
