// Watches every warehouse in the background: one collector each, in one process at a time.
import { messageOf } from '../base/errors.ts'
import type { Context, Daemon } from '../base/room.ts'
import { HOUR_MS } from '../base/units.ts'
import { controlDatabase } from '../control/contract.ts'
import { warehouses, type Warehouse } from '../warehouse/contract.ts'
import { Collector } from './collect/collector.ts'
import { monitorSection } from './config.ts'
import { probes } from './contract.ts'
import { SampleStore } from './store/store.ts'

const leaseMs = 30_000
const retryMs = 5000

export const monitorDaemon: Daemon = {
  name: 'monitor',
  run: async (context, signal) => {
    if (!context.section(monitorSection).enabled) return
    const list = (await context.use(warehouses)).list()
    const store = new SampleStore(await context.use(controlDatabase))
    await Promise.all([...list.map(({ name }) => watch(name, store, context, signal)), forget(store, context, signal)])
  },
}

async function watch(name: string, store: SampleStore, context: Context, signal: AbortSignal): Promise<void> {
  const database = await context.use(controlDatabase)
  const owner = `${context.environment.hostname}/${process.pid}`
  while (!signal.aborted) {
    try {
      await using lease = await database.tryLease(`monitor/${name}`, { ttlMs: leaseMs, owner, signal })
      const warehouse = (await context.use(warehouses)).get(name)
      if (lease) await collectorFor(warehouse, store, context).run(AbortSignal.any([signal, lease.lost]))
    } catch (error) {
      if (!signal.aborted) context.log.warn({ warehouse: name, reason: messageOf(error) }, 'watching was interrupted')
    }
    await context.clock.sleep(retryMs, signal).catch(() => {})
  }
}

function collectorFor(warehouse: Warehouse, store: SampleStore, context: Context): Collector {
  const settings = context.section(monitorSection)
  return new Collector({
    warehouse,
    probes: context.offers(probes),
    intervalMs: settings.interval,
    busySessions: settings.busy_sessions,
    clock: context.clock,
    log: context.log,
    write: (at, samples) => store.write(warehouse.declaration.name, at, samples),
  })
}

async function forget(store: SampleStore, context: Context, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const before = new Date(context.clock.now() - context.section(monitorSection).keep)
    await store.forget(before, signal).catch((error: unknown) => {
      context.log.warn({ reason: messageOf(error) }, 'old samples could not be removed')
    })
    await context.clock.sleep(HOUR_MS, signal).catch(() => {})
  }
}
