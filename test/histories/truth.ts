// The truth of a moment: what a client of the running server sees of everything that a recovery must bring back.
import { contentsOf } from '../backup/truth.ts'
import type { TestServer } from '../support/postgres.ts'

const facts: Readonly<Record<string, string>> = {
  relations: `select string_agg(format('%s.%s %s %s', relnamespace::regnamespace, relname, relkind, relpersistence), ', ' order by 1) as what
    from (select relnamespace, relname, relkind, relpersistence from pg_class where relnamespace = 'public'::regnamespace order by relname) c`,
  prepared: `select string_agg(gid, ', ' order by gid) as what from pg_prepared_xacts`,
  databases: `select string_agg(format('%s in %s', d.datname, s.spcname), ', ' order by d.datname) as what
    from pg_database d join pg_tablespace s on s.oid = d.dattablespace`,
  'large objects': `select format('%s of %s', count(*), md5(string_agg(md5(lo_get(oid)), '' order by oid))) as what from pg_largeobject_metadata`,
}

/** Every row of every permanent table of every database, and the rest that counts, by name. */
export async function truthOf(server: TestServer): Promise<Record<string, string>> {
  const truth = await contentsOf(server)
  await using client = await server.connect()
  for (const [name, sql] of Object.entries(facts)) {
    const { rows } = await client.query<{ what: string | null }>(sql)
    truth[name] = rows[0]!.what ?? ''
  }
  return truth
}

const visibility = `
  select format('%s: %s at %s', c.oid::regclass, v.kind, v.place) as what
    from pg_class c cross join lateral (
      select 'not all visible' as kind, p.place::text from pg_check_visible(c.oid) p(place)
      union all select 'not all frozen', p.place::text from pg_check_frozen(c.oid) p(place)) v
   where c.relkind in ('r', 'm', 't') and c.relpersistence = 'p'`

/** Pages that the visibility map calls visible or frozen, and which are not: none is good. */
export async function visibilityComplaintsOf(server: TestServer): Promise<string[]> {
  await using client = await server.connect()
  await client.query('create extension if not exists pg_visibility')
  return (await client.query<{ what: string }>(visibility)).rows.map((row) => row.what)
}
