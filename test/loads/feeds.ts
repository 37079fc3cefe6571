// Daily files in the shape of the real weather feeds, from a seed: airports, planes, and hourly observations of three airports with `NA`, short days
// and long decimals.
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { seededRandom, type Random } from '../../src/base/random.ts'

export const weatherHeader =
  'origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour'
const origins = ['EWR', 'JFK', 'LGA']
const HOUR_MS = 3_600_000

export interface FeedsOptions {
  readonly folder: string
  readonly seed: number
  readonly days: number
  /** YYYY-MM-DD; default 2013-01-01. */
  readonly from?: string
}

/** Returns the names of the daily files. */
export async function generateFeeds(options: FeedsOptions): Promise<readonly string[]> {
  const random = seededRandom(options.seed)
  await mkdir(join(options.folder, 'weather'), { recursive: true })
  await writeOld(join(options.folder, 'airports.csv'), airports(random))
  await writeOld(join(options.folder, 'planes.csv'), planes(random))
  const first = Date.parse(`${options.from ?? '2013-01-01'}T00:00:00Z`)
  const names: string[] = []
  for (let day = 0; day < options.days; day++) {
    const date = new Date(first + day * 24 * HOUR_MS).toISOString().slice(0, 10)
    await writeOld(join(options.folder, 'weather', `${date}.csv`), weatherDay(date, random))
    names.push(`${date}.csv`)
  }
  return names
}

/** As if it had been written a minute ago, so that sources take it at once. */
export async function writeOld(path: string, content: string | Buffer): Promise<void> {
  await writeFile(path, content)
  const at = new Date(Date.now() - 60_000)
  await utimes(path, at, at)
}

/** One daily file; local time is five hours behind UTC. */
export function weatherDay(date: string, random: Random): string {
  const [year, month, day] = date.split('-').map(Number)
  const hours = random.integer(10) === 0 ? 20 + random.integer(4) : 24
  const midnight = Date.parse(`${date}T05:00:00Z`)
  const lines = origins.flatMap((origin) =>
    Array.from({ length: hours }, (_, hour) => {
      const time = new Date(midnight + hour * HOUR_MS).toISOString().replace('.000Z', 'Z')
      const measured = [
        decimal(random, 100, 2),
        decimal(random, 80, 2),
        decimal(random, 100, 2),
        maybe(random, 50, () => String(random.integer(37) * 10)),
        String(random.integer(40) * 1.150779999999),
        maybe(random, 2, () => String(20 + random.integer(30) * 1.15078)),
        random.integer(5) === 0 ? decimal(random, 1, 2) : '0',
        maybe(random, 10, () => decimal(random, 1030, 1)),
        decimal(random, 10, 1),
      ]
      return [origin, year, month, day, hour, ...measured, time].join(',')
    }),
  )
  return `${[weatherHeader, ...lines].join('\n')}\n`
}

/** `NA` once in `times`. */
function maybe(random: Random, times: number, value: () => string): string {
  return random.integer(times) === 0 ? 'NA' : value()
}

function decimal(random: Random, below: number, digits: number): string {
  return (random.integer(below * 10 ** digits) / 10 ** digits).toString()
}

function airports(random: Random): string {
  const rows = [...origins, 'ORD', 'BNA', 'LNA'].map((faa) =>
    [
      faa,
      `Airport of ${faa}`,
      decimal(random, 60, 7),
      `-${decimal(random, 120, 7)}`,
      random.integer(5000),
      -5,
      'A',
      maybe(random, 3, () => 'America/New_York'),
    ].join(','),
  )
  return `${['faa,name,lat,lon,alt,tz,dst,tzone', ...rows].join('\n')}\n`
}

function planes(random: Random): string {
  const rows = Array.from({ length: 40 }, (_, index) =>
    [
      `N${100 + index}UA`,
      maybe(random, 10, () => String(1980 + random.integer(33))),
      'Fixed wing multi engine',
      'EMBRAER',
      'EMB-145XR',
      2,
      55,
      maybe(random, 2, () => '126'),
      'Turbo-fan',
    ].join(','),
  )
  return `${['tailnum,year,type,manufacturer,model,engines,seats,speed,engine', ...rows].join('\n')}\n`
}
