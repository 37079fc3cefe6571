// Daily extracts as an upstream would drop them: sales (gzip), clicks, and returns of older sales. Seeded by the day.
import { gzipSync } from 'node:zlib'

import { seededRandom, type Random } from '../../base/random.ts'
import { DAY_MS } from '../../base/units.ts'
import { customers, products, saleIdsPerDay, stores } from './history.ts'

export interface FeedFile {
  readonly name: string
  readonly content: Buffer
}

export interface FeedSize {
  readonly sales: number
  readonly clicks: number
  readonly returns: number
}

export const tourDay: FeedSize = { sales: 9000, clicks: 15_000, returns: 250 }

const dayZero = Date.UTC(2000, 0, 1)
const pages = ['home', 'search', 'product', 'basket', 'checkout']
const reasons = ['damaged', 'too late', 'wrong size', 'NA']

/** The three files of one business day (YYYY-MM-DD). Returns refer to sales of the 40 days before: they come late. */
export function filesOfDay(day: string, size: FeedSize): FeedFile[] {
  const dayNumber = dayNumberOf(day)
  const random = seededRandom(dayNumber * 7919)
  return [
    { name: `sales_${day}.csv.gz`, content: gzipSync(salesCsv({ day, dayNumber, count: size.sales, random })) },
    { name: `clicks_${day}.csv`, content: Buffer.from(clicksCsv({ day, count: size.clicks, random })) },
    { name: `returns_${day}.csv`, content: Buffer.from(returnsCsv({ day, dayNumber, count: size.returns, random })) },
  ]
}

/** Days since 2000-01-01. */
export function dayNumberOf(day: string): number {
  return Math.round((Date.parse(`${day}T00:00:00Z`) - dayZero) / DAY_MS)
}

/** YYYY-MM-DD, `days` after `day`. */
export function addDays(day: string, days: number): string {
  return dayOfNumber(dayNumberOf(day) + days)
}

function dayOfNumber(dayNumber: number): string {
  const date = new Date(dayZero + dayNumber * DAY_MS)
  return date.toISOString().slice(0, 10)
}

function salesCsv(at: { day: string; dayNumber: number; count: number; random: Random }): string {
  const lines = ['sale_id,sale_date,store_id,product_id,customer_id,quantity,amount']
  const { random } = at
  for (let n = 1; n <= at.count; n++) {
    const customer = random.integer(20) === 0 ? 'NA' : 1 + random.integer(customers)
    const cents = 100 + random.integer(50_000)
    lines.push(
      `${BigInt(at.dayNumber) * saleIdsPerDay + BigInt(n)},${at.day},${1 + random.integer(stores)},` +
        `${1 + random.integer(products)},${customer},${1 + random.integer(5)},${(cents / 100).toFixed(2)}`,
    )
  }
  return `${lines.join('\n')}\n`
}

function clicksCsv(at: { day: string; count: number; random: Random }): string {
  const lines = ['clicked_at,session_id,customer_id,product_id,page,dwell_ms']
  const { random } = at
  const midnight = Date.parse(`${at.day}T00:00:00Z`)
  for (let n = 0; n < at.count; n++) {
    const time = new Date(midnight + Math.floor((n * DAY_MS) / at.count)).toISOString()
    const customer = random.integer(3) === 0 ? 'NA' : 1 + random.integer(customers)
    lines.push(
      `${time},${random.integer(1_000_000_000)},${customer},${1 + random.integer(products)},${pages[random.integer(5)]},${random.integer(120_000)}`,
    )
  }
  return `${lines.join('\n')}\n`
}

function returnsCsv(at: { day: string; dayNumber: number; count: number; random: Random }): string {
  const lines = ['return_date,sale_id,sale_date,quantity,reason']
  const seen = new Set<bigint>()
  for (let n = 0; n < at.count; n++) {
    const soldOn = at.dayNumber - 1 - at.random.integer(40)
    const sale = BigInt(soldOn) * saleIdsPerDay + BigInt(1 + at.random.integer(8000))
    if (seen.has(sale)) continue
    seen.add(sale)
    lines.push(`${at.day},${sale},${dayOfNumber(soldOn)},1,${reasons[at.random.integer(reasons.length)]}`)
  }
  return `${lines.join('\n')}\n`
}
