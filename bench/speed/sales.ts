// Facts of a warehouse: numbers, dates, text that compresses about threefold, two indexes.
import type { TestServer } from '../../test/support/postgres.ts'

const ROWS_PER_GIGABYTE = 6_500_000

export async function fill(server: TestServer, gigabytes: number): Promise<void> {
  await server.psql(
    `create table sales (id bigint, day date, customer int, product int, quantity int, price numeric(12,2), note text) with (fillfactor = 90)`,
  )
  const rows = Math.round(ROWS_PER_GIGABYTE * gigabytes)
  for (let from = 0; from < rows; from += 1_000_000) {
    await server.psql(`insert into sales select n, date '2024-01-01' + (n / 20000), (random() * 1e6)::int, (random() * 1e4)::int, (random() * 10)::int,
      (random() * 1000)::numeric(12,2), md5(n::text) || ' order ' || (n % 1000) from generate_series(${from}, ${Math.min(rows, from + 1_000_000) - 1}) n`)
  }
  await server.psql('create index on sales (id); create index on sales (customer)')
  await server.psql('vacuum (freeze, analyze) sales')
  await server.psql('checkpoint')
}

/** One row in each of 1 % of the heap blocks, HOT. Each turn other blocks. */
export async function changeOnePercent(server: TestServer, turn: number): Promise<void> {
  await server.psql(`update sales set quantity = quantity + 1 where ctid = any (
    select format('(%s,1)', b)::tid from generate_series(${(turn * 37) % 100}, (pg_relation_size('sales') / 8192)::int - 1, 100) b)`)
  await server.psql('checkpoint')
}
