// The newest samples of every warehouse for /metrics.
import type { MetricFamily, MetricSource } from '../base/room.ts'
import { MINUTE_MS } from '../base/units.ts'
import { warehouses } from '../warehouse/contract.ts'
import { monitorSection } from './config.ts'
import { monitorSeries, parseSeriesKey, probes, type LatestSamples, type MetricType } from './contract.ts'

interface Described {
  readonly type: MetricType
  readonly help: string
}

const ownMetrics: Readonly<Record<string, Described>> = {
  monitor_up: { type: 'gauge', help: 'Whether the warehouse could be asked at the last tick' },
  monitor_tick_milliseconds: { type: 'gauge', help: 'How long the last tick took' },
  monitor_skipped_ticks: { type: 'counter', help: 'Ticks left out because the one before took too long' },
  monitor_failed_ticks: { type: 'counter', help: 'Ticks at which the warehouse could not be asked' },
  monitor_failing_probes: { type: 'gauge', help: 'Probes whose last try failed' },
  monitor_busy: { type: 'gauge', help: 'Whether only essential probes are asked because the server is busy' },
}

export const metricSource: MetricSource = {
  name: 'monitor',
  gather: async (context) => {
    const described = { ...ownMetrics }
    for (const probe of context.offers(probes))
      for (const metric of Object.values(probe.metrics)) described[metric.name] = metric
    const series = await context.use(monitorSeries)
    const list = (await context.use(warehouses)).list()
    const latest = await Promise.all(list.map(({ name }) => series.latest(name)))
    const oldest = context.clock.now() - Math.max(MINUTE_MS, context.section(monitorSection).interval * 3)
    return familiesOf(
      described,
      latest.filter((one) => one !== undefined && one.at.getTime() > oldest) as LatestSamples[],
    )
  },
}

function familiesOf(
  described: Readonly<Record<string, Described>>,
  all: readonly LatestSamples[],
): readonly MetricFamily[] {
  const families = new Map<
    string,
    { family: Omit<MetricFamily, 'samples'>; samples: { labels: Record<string, string>; value: number }[] }
  >()
  for (const one of all) {
    for (const [key, value] of Object.entries(one.values)) {
      const { name, labels } = parseSeriesKey(key)
      const known = described[name]
      if (!known) continue
      const entry = families.get(name) ?? {
        family: { name: `wharf_${name}`, help: known.help, type: known.type },
        samples: [],
      }
      entry.samples.push({ labels: { warehouse: one.warehouse, ...labels }, value })
      families.set(name, entry)
    }
  }
  return [...families.values()].map(({ family, samples }) => ({ ...family, samples }))
}
