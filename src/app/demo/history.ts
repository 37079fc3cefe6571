// A year of history for the tour's warehouse, made inside the server: the same seed gives the same rows on every machine.
import type { Session } from '../../warehouse/contract.ts'

export interface HistorySize {
  /** Months before `firstLoadedDay`, one partition each. */
  readonly months: number
  readonly salesPerMonth: number
  readonly clicksPerMonth: number
  readonly seed: number
}

/** About 1 GB on disk with indexes. */
export const tourHistory: HistorySize = {
  months: 12,
  salesPerMonth: 400_000,
  clicksPerMonth: 680_000,
  seed: 20_260_101,
}

/** The first day that the feeds bring; history ends the day before. */
export const firstLoadedDay = '2026-01-01'

export const stores = 200
export const products = 5000
export const customers = 100_000

/** Sale ids of one day start at day number × this, so that a day's ids do not depend on what ran before. */
export const saleIdsPerDay = 100_000n

/** Statements, with the seed as a number in the text: it is ours, not input. */
const dimensions = (seed: number): string[] => [
  `insert into retail.dim_store
   select n, 'Store ' || n, (array['DE','FR','NL','PL','SE'])[1 + n % 5], date '2015-01-01' + n * 11
   from generate_series(1, ${stores}) n`,
  `insert into retail.dim_product
   select n, 'Product ' || n, (array['garden','kitchen','toys','sport','books','light'])[1 + n % 6],
          (100 + abs(hashint8extended(n, ${seed}) % 19900)) / 100.0
   from generate_series(1, ${products}) n`,
  `insert into retail.dim_customer
   select n, 'Customer ' || n, (array['home','trade','club'])[1 + n % 3], (array['DE','FR','NL','PL','SE'])[1 + n % 5],
          date '2018-01-01' + (abs(hashint8extended(n, ${seed})) % 2500)::int
   from generate_series(1, ${customers}) n`,
  `insert into retail.dim_date
   select d::date, extract(year from d), extract(month from d), extract(week from d), extract(isodow from d) > 5
   from generate_series(date '2024-01-01', date '2029-12-31', interval '1 day') d`,
]

const salesOfMonth = `
  insert into retail.fact_sales
  select (day - date '2000-01-01')::bigint * ${saleIdsPerDay} + 1 + n / days, day,
         1 + abs(h) % ${stores}, 1 + abs(h / 1000) % ${products},
         case when abs(h / 7) % 20 = 0 then null else 1 + abs(h / 13) % ${customers} end,
         1 + abs(h / 17) % 5, (100 + abs(h / 29) % 50000) / 100.0, 0
  from generate_series(1, $3::int) n
  cross join lateral (select hashint8extended(n, $2::bigint + extract(epoch from $1::date)::bigint) h) x
  cross join lateral (select extract(day from ($1::date + interval '1 month' - interval '1 day'))::int as days) y
  cross join lateral (select $1::date + n % days as day) z
  order by day`

const clicksOfMonth = `
  insert into retail.fact_click
  select ($1::date + interval '1 month' * (n::float8 / ($3::int + 1))) at time zone 'UTC', abs(h / 3) % 1000000000,
         case when abs(h) % 3 = 0 then null else 1 + abs(h / 13) % ${customers} end, 1 + abs(h / 1000) % ${products},
         (array['home','search','product','basket','checkout'])[1 + abs(h / 11) % 5], abs(h / 31) % 120000
  from generate_series(1, $3::int) n
  cross join lateral (select hashint8extended(n, $2::bigint - extract(epoch from $1::date)::bigint) h) x`

const indexes = [
  'create unique index on retail.fact_sales (sale_id, sale_date)',
  'create index on retail.fact_click using brin (clicked_at)',
]

/** Fills an empty schema; `onMonth` is told after each month. Several sessions share the months. */
export async function fillHistory(
  sessions: readonly Session[],
  size: HistorySize,
  onMonth: (done: number, total: number) => void,
): Promise<void> {
  const [first] = sessions
  if (!first) throw new Error('fillHistory needs a session')
  for (const sql of dimensions(size.seed)) await first.query(sql)
  const months = monthsBefore(firstLoadedDay, size.months)
  for (const month of [...months, firstLoadedDay]) await first.query('select retail.add_month($1)', [month])
  const queue = [...months]
  let done = 0
  const drain = async (session: Session): Promise<void> => {
    for (let month = queue.shift(); month !== undefined; month = queue.shift()) {
      await session.query(salesOfMonth, [month, size.seed, size.salesPerMonth])
      await session.query(clicksOfMonth, [month, size.seed, size.clicksPerMonth])
      onMonth(++done, months.length)
    }
  }
  await Promise.all(sessions.map(drain))
  for (const sql of indexes) await first.query(sql)
  await first.query('analyze')
}

/** First days of the `count` months before `day` (YYYY-MM-DD), oldest first. */
export function monthsBefore(day: string, count: number): string[] {
  const [year, month] = day.split('-').map(Number) as [number, number]
  return Array.from({ length: count }, (_, back) => {
    const index = year * 12 + (month - 1) - (count - back)
    return `${Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, '0')}-01`
  })
}
