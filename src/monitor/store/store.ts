// Ticks in the control database.
import { createHash } from 'node:crypto'

import type { ControlDatabase } from '../../control/contract.ts'
import type { LatestSamples, MonitorSeries, Sample, SeriesKey, SeriesPoint, SeriesRequest } from '../contract.ts'

const wantedPoints = 300
const deleteBatch = 5000

export class SampleStore implements MonitorSeries {
  private readonly database: ControlDatabase
  private readonly layouts = new Map<string, bigint>()

  constructor(database: ControlDatabase) {
    this.database = database
  }

  /** Two ticks of one warehouse at the same millisecond: the first one stays. */
  async write(warehouse: string, at: Date, samples: readonly Sample[]): Promise<void> {
    const sorted = samples.toSorted((left, right) => (left.key < right.key ? -1 : 1))
    const layout = await this.layout(
      warehouse,
      sorted.map((sample) => sample.key),
    )
    await this.database.query(
      'insert into monitor.tick (warehouse, at, layout, vals) values ($1, $2, $3, $4) on conflict do nothing',
      [warehouse, at, layout, sorted.map((sample) => sample.value)],
    )
  }

  private async layout(warehouse: string, keys: readonly SeriesKey[]): Promise<bigint> {
    const hash = createHash('sha256').update(keys.join('\n')).digest()
    const name = `${warehouse}/${hash.toString('hex')}`
    const known = this.layouts.get(name)
    if (known !== undefined) return known
    const [row] = await this.database.query<{ id: bigint }>(
      `insert into monitor.layout (warehouse, keys, hash) values ($1, $2, $3)
       on conflict (warehouse, hash) do update set used_at = clock_timestamp() returning id`,
      [warehouse, keys, hash],
    )
    this.layouts.set(name, row!.id)
    return row!.id
  }

  /** Removes what is older, in small bites. */
  async forget(before: Date, signal: AbortSignal): Promise<void> {
    this.layouts.clear()
    for (let removed = deleteBatch; removed === deleteBatch && !signal.aborted;) {
      const rows = await this.database.query(
        `delete from monitor.tick where (warehouse, at) in (select warehouse, at from monitor.tick where at < $1 limit ${deleteBatch}) returning 1 as one`,
        [before],
      )
      removed = rows.length
    }
    await this.database.query(
      `delete from monitor.layout where used_at < $1 and made_at < clock_timestamp() - interval '1 hour'
       and not exists (select 1 from monitor.tick where tick.layout = layout.id)`,
      [before],
    )
  }

  async latest(warehouse: string): Promise<LatestSamples | undefined> {
    const [row] = await this.database.query<{ at: Date; keys: string[]; vals: (number | null)[] }>(
      `select tick.at, layout.keys, tick.vals from monitor.tick join monitor.layout on layout.id = tick.layout
       where tick.warehouse = $1 order by tick.at desc limit 1`,
      [warehouse],
    )
    if (!row) return undefined
    const pairs = row.keys.map((key, index) => [key, row.vals[index]] as const)
    return {
      warehouse,
      at: row.at,
      values: Object.fromEntries(
        pairs.filter((pair): pair is readonly [string, number] => typeof pair[1] === 'number'),
      ),
    }
  }

  async keys(warehouse: string): Promise<readonly SeriesKey[]> {
    const rows = await this.database.query<{ key: string }>(
      `select distinct key from monitor.layout, unnest(keys) as key
       where id in (select layout from monitor.tick where warehouse = $1 and at > clock_timestamp() - interval '1 day') order by key`,
      [warehouse],
    )
    return rows.map((row) => row.key)
  }

  async series(request: SeriesRequest): Promise<Readonly<Record<SeriesKey, readonly SeriesPoint[]>>> {
    const spanMs = Math.max(1, request.to.getTime() - request.from.getTime())
    const stepMs = request.stepMs ?? Math.max(10_000, Math.ceil(spanMs / wantedPoints))
    const rows = await this.database.query<{ key: string; at: Date; value: number }>(seriesSql, [
      request.warehouse,
      request.from,
      request.to,
      request.keys,
      stepMs,
      request.as === 'rate',
    ])
    const found: Record<SeriesKey, SeriesPoint[]> = Object.fromEntries(request.keys.map((key) => [key, []]))
    for (const { key, at, value } of rows) found[key]?.push({ at, value })
    return found
  }
}

/**
 * A point stands at the start of its step. Rates are taken between neighbouring ticks before they are averaged, so that a restart in the
 * middle of a step costs one pair of ticks and not the step.
 */
const seriesSql = `
  with wanted as (
    select layout.id, asked.key, array_position(layout.keys, asked.key) as place
    from monitor.layout cross join unnest($4::text[]) as asked (key)
    where layout.warehouse = $1 and array_position(layout.keys, asked.key) is not null
  ), raw as (
    select wanted.key, tick.at, tick.vals[wanted.place] as value
    from monitor.tick join wanted on wanted.id = tick.layout
    where tick.warehouse = $1 and tick.at >= $2 and tick.at <= $3 and tick.vals[wanted.place] is not null
  ), shown as (
    select key, at, case when $6::boolean then
        case when value >= lag(value) over same then (value - lag(value) over same) / nullif(extract(epoch from at - lag(at) over same), 0) end
      else value end as value
    from raw window same as (partition by key order by at)
  )
  select key, to_timestamp(floor(extract(epoch from at) * 1000 / $5::float8) * $5::float8 / 1000) as at, avg(value)::float8 as value
  from shown where value is not null group by 1, 2 order by 1, 2`
