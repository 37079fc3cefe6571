// Which SQL of a probe fits a server, and from its rows to samples.
import { seriesKey, type Probe, type Sample } from '../contract.ts'

/** Undefined where the probe is for newer servers only. */
export function sqlFor(probe: Probe, majorVersion: number): string | undefined {
  const best = Object.keys(probe.sql)
    .map(Number)
    .filter((version) => version <= majorVersion)
    .sort((left, right) => right - left)[0]
  return best === undefined ? undefined : probe.sql[best]
}

/** At most this many series come from one probe, whatever its SQL returns. */
const largestProbe = 200

export function samplesOf(probe: Probe, rows: readonly Readonly<Record<string, unknown>>[]): readonly Sample[] {
  const samples: Sample[] = []
  for (const row of rows) {
    const labels = Object.fromEntries(probe.labels.map((label) => [label, labelText(row[label])]))
    for (const [column, metric] of Object.entries(probe.metrics)) {
      const value = row[column]
      if (value === null || value === undefined) continue
      const number = Number(value)
      if (Number.isFinite(number)) samples.push({ key: seriesKey(metric.name, labels), value: number })
    }
    if (samples.length >= largestProbe) break
  }
  return samples.slice(0, largestProbe)
}

function labelText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value ?? null) ?? '').replace(/^null$/, '')
}
