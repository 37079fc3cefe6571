// The room that watches.
import { daemons, metricSources, offer, provide, type Room } from '../base/room.ts'
import { controlDatabase } from '../control/contract.ts'
import { monitorSection } from './config.ts'
import { monitorSeries, probes } from './contract.ts'
import { monitorDaemon } from './daemon.ts'
import { metricSource } from './metrics.ts'
import { fastLane } from './probes/fast.ts'
import { slowLane } from './probes/slow.ts'
import { SampleStore } from './store/store.ts'

export const room: Room = {
  name: 'monitor',
  summary: 'probes, samples, series',
  config: [monitorSection],
  migrations: [{ name: '0001-samples', file: new URL('./migrations/0001-samples.sql', import.meta.url) }],
  services: [provide(monitorSeries, async (context) => new SampleStore(await context.use(controlDatabase)))],
  offers: [
    ...[...fastLane, ...slowLane].map((probe) => offer(probes, probe)),
    offer(daemons, monitorDaemon),
    offer(metricSources, metricSource),
  ],
}
