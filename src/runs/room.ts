import { daemons, metricSources, offer, provide, type Room } from '../base/room.ts'
import { runsSection } from './config.ts'
import { runEngine } from './contract.ts'
import { buildEngine } from './engine.ts'
import { runMetrics } from './metrics.ts'
import { scheduler, worker } from './daemons.ts'

export const room: Room = {
  name: 'runs',
  summary: 'the durable execution engine and every schedule',
  config: [runsSection],
  migrations: ['0001-runs', '0002-claim-order'].map((name) => ({
    name,
    file: new URL(`migrations/${name}.sql`, import.meta.url),
  })),
  services: [provide(runEngine, buildEngine)],
  offers: [offer(daemons, worker), offer(daemons, scheduler), offer(metricSources, runMetrics)],
}
