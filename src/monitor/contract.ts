// Probes that any room may add, and the samples for console, status and /metrics.
import { extensionPoint, serviceKey } from '../base/room.ts'

export type MetricType = 'gauge' | 'counter'

/** One column of a probe's rows. */
export interface ProbeMetric {
  /** Without prefix, unit at the end as OpenMetrics has it: `postgres_temp_bytes`. Counters without `_total`. */
  readonly name: string
  readonly type: MetricType
  readonly help: string
}

/** A question to a node, as data. Rules of safety are the collector's: see README.md. */
export interface Probe {
  readonly name: string
  /** `fast`: every 10 s. `slow`: every 5 min. */
  readonly lane: 'fast' | 'slow'
  /** SQL by the first major version that it is for; the newest that fits is used. No entry fits: the probe is left out. */
  readonly sql: Readonly<Record<number, string>>
  /** Columns that name a series; kept few and bounded (LIMIT in the SQL). */
  readonly labels: readonly string[]
  /** Columns that are values: numbers, or text that is one (int8, numeric). NULL gives no sample. */
  readonly metrics: Readonly<Record<string, ProbeMetric>>
  /** Also asked while the server is busy. */
  readonly essential?: boolean
}
export const probes = extensionPoint<Probe>('probe')

/** `postgres_sessions{state="active"}`: name and labels, sorted. Unique within a warehouse. */
export type SeriesKey = string

export interface Sample {
  readonly key: SeriesKey
  readonly value: number
}
export interface LatestSamples {
  readonly warehouse: string
  readonly at: Date
  readonly values: Readonly<Record<SeriesKey, number>>
}
export interface SeriesRequest {
  readonly warehouse: string
  readonly keys: readonly SeriesKey[]
  readonly from: Date
  readonly to: Date
  /** Width of a point; the values within are averaged. Default: as many points as fit into 300. */
  readonly stepMs?: number
  /** `rate`: per second, for counters; a counter that went back (restart, reset) gives no point. Default `value`. */
  readonly as?: 'value' | 'rate'
}
export interface SeriesPoint {
  readonly at: Date
  readonly value: number
}

export interface MonitorSeries {
  /** The newest tick; undefined where none is kept. */
  latest(warehouse: string): Promise<LatestSamples | undefined>
  /** Points in order of time, per key; a key that is not known gives an empty list. */
  series(request: SeriesRequest): Promise<Readonly<Record<SeriesKey, readonly SeriesPoint[]>>>
  /** All keys seen in the last day. */
  keys(warehouse: string): Promise<readonly SeriesKey[]>
}
export const monitorSeries = serviceKey<MonitorSeries>('monitor series')

/** The key of a metric with its labels. */
export function seriesKey(name: string, labels: Readonly<Record<string, string>> = {}): SeriesKey {
  const pairs = Object.entries(labels).toSorted(([left], [right]) => (left < right ? -1 : 1))
  if (pairs.length === 0) return name
  return `${name}{${pairs.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(',')}}`
}

/** The way back of seriesKey(). */
export function parseSeriesKey(key: SeriesKey): { name: string; labels: Record<string, string> } {
  const brace = key.indexOf('{')
  if (brace < 0) return { name: key, labels: {} }
  const labels: Record<string, string> = {}
  for (const match of key.slice(brace).matchAll(/([a-z_]+)=("(?:[^"\\]|\\.)*")/g))
    labels[match[1]!] = JSON.parse(match[2]!) as string
  return { name: key.slice(0, brace), labels }
}
