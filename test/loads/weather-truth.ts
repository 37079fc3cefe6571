// What the files of examples/weather say, by a reader that shares nothing with the product; and the same facts from the warehouse.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { TestServer } from '../support/postgres.ts'

/** Exact: sums are of decimals, as text with 18 digits behind the point. */
export interface WeatherFacts {
  readonly days: number
  readonly rows: number
  readonly airports: number
  readonly planes: number
  readonly planeSpeeds: number
  /** By column of the files: how many values, and their sum. */
  readonly columns: Readonly<Record<string, { readonly count: number; readonly sum: string }>>
  /** By month: rows. */
  readonly months: Readonly<Record<string, number>>
  readonly origins: Readonly<Record<string, number>>
}

const measures = {
  temp: 'temp_f',
  dewp: 'dewpoint_f',
  humid: 'humidity_percent',
  wind_dir: 'wind_direction_deg',
  wind_speed: 'wind_speed_mph',
  wind_gust: 'wind_gust_mph',
  precip: 'precipitation_in',
  pressure: 'pressure_mbar',
  visib: 'visibility_mi',
} as const

const SCALE = 18

export async function factsOfFiles(feeds: string): Promise<WeatherFacts> {
  const names = (await readdir(join(feeds, 'weather'))).filter((name) => /^\d{4}-\d{2}-\d{2}\.csv$/.test(name))
  const sums: Record<string, { count: number; sum: bigint }> = {}
  const months: Record<string, number> = {}
  const origins: Record<string, number> = {}
  let rows = 0
  for (const name of names) {
    for (const row of await rowsOf(join(feeds, 'weather', name))) {
      rows++
      months[name.slice(0, 7)] = (months[name.slice(0, 7)] ?? 0) + 1
      origins[row['origin']!] = (origins[row['origin']!] ?? 0) + 1
      for (const column of Object.keys(measures)) {
        if (row[column] === 'NA') continue
        const seen = (sums[column] ??= { count: 0, sum: 0n })
        seen.count++
        seen.sum += scaled(String(Number(row[column])))
      }
    }
  }
  const planes = await rowsOf(join(feeds, 'planes.csv'))
  return {
    days: names.length,
    rows,
    airports: (await rowsOf(join(feeds, 'airports.csv'))).length,
    planes: planes.length,
    planeSpeeds: planes.filter((row) => row['speed'] !== 'NA').length,
    columns: Object.fromEntries(
      Object.entries(sums).map(([column, seen]) => [column, { count: seen.count, sum: unscaled(seen.sum) }]),
    ),
    months,
    origins,
  }
}

/** The feeds have no quotes. */
async function rowsOf(path: string): Promise<Record<string, string>[]> {
  const [header, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n')
  const names = header!.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((value, index) => [names[index]!, value])))
}

function scaled(text: string): bigint {
  const found = /^(-?)(\d+)(?:\.(\d+))?(?:e(-?\d+))?$/.exec(text)
  if (!found) throw new Error(`not a decimal: ${text}`)
  const [, sign, whole, fraction = '', exponent = '0'] = found
  const digits = BigInt(`${sign}${whole}${fraction}`)
  return digits * 10n ** BigInt(SCALE - fraction.length + Number(exponent))
}

function unscaled(value: bigint): string {
  const text = (value < 0n ? -value : value).toString().padStart(SCALE + 1, '0')
  return `${value < 0n ? '-' : ''}${text.slice(0, -SCALE)}.${text.slice(-SCALE)}`
}

export async function factsOfWarehouse(server: TestServer, database = 'postgres'): Promise<WeatherFacts> {
  const [counts] = await server.psql<{ days: number; rows: number; airports: number; planes: number; speeds: number }>(
    `select (select count(*)::int from dw.date) as days, (select count(*)::int from dw.weather) as rows,
       (select count(*)::int from dw.airport) as airports, (select count(*)::int from dw.plane) as planes, (select count(speed)::int from dw.plane) as speeds`,
    database,
  )
  const columns: Record<string, { count: number; sum: string }> = {}
  for (const [column, target] of Object.entries(measures)) {
    const [row] = await server.psql<{ count: number; sum: string }>(
      `select count(${target})::int as count, round(sum(${target}::text::numeric), ${SCALE})::text as sum from dw.weather`,
      database,
    )
    columns[column] = row!
  }
  const months = await server.psql<{ name: string; rows: number }>(
    `select replace(substr(tableoid::regclass::text, 12), '_', '-') as name, count(*)::int as rows from dw.weather group by 1`,
    database,
  )
  const origins = await server.psql<{ name: string; rows: number }>(
    'select faa as name, count(*)::int as rows from dw.weather join dw.airport using (airport_id) group by 1',
    database,
  )
  const byName = (rows: readonly { name: string; rows: number }[]): Record<string, number> =>
    Object.fromEntries(rows.map((row) => [row.name, row.rows]))
  return {
    days: counts!.days,
    rows: counts!.rows,
    airports: counts!.airports,
    planes: counts!.planes,
    planeSpeeds: counts!.speeds,
    columns,
    months: byName(months),
    origins: byName(origins),
  }
}
