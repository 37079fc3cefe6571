// What a cluster holds, as a client sees it: a hash per table over its rows in order; and what amcheck says.
import type { TestServer } from '../support/postgres.ts'

const userDatabases = `select datname from pg_database where datallowconn and not datistemplate order by datname`
const tables = `
  select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'm') and c.relpersistence = 'p' and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' order by 1`

/** `database table` → rows and hash. Every row of every permanent user table of every database. */
export async function contentsOf(server: TestServer): Promise<Record<string, string>> {
  const contents: Record<string, string> = {}
  for (const { datname } of await server.psql<{ datname: string }>(userDatabases)) {
    await using client = await server.connect(datname)
    for (const { name } of (await client.query<{ name: string }>(tables)).rows) {
      const { rows } = await client.query<{ rows: string; hash: string | null }>(
        `select count(*)::text as rows, md5(string_agg(md5(t::text), '' order by md5(t::text))) as hash from ${name} t`,
      )
      contents[`${datname} ${name}`] = `${rows[0]!.rows} rows ${rows[0]!.hash ?? ''}`
    }
  }
  return contents
}

/** Complaints of verify_heapam and bt_index_check over everything, TOAST and all heap tuples included. Empty is good. */
export async function complaintsOf(server: TestServer): Promise<string[]> {
  const complaints: string[] = []
  for (const { datname } of await server.psql<{ datname: string }>(userDatabases)) {
    await using client = await server.connect(datname)
    await client.query('create extension if not exists amcheck')
    const { rows } = await client.query<{ what: string }>(`
      select format('%s block %s offset %s: %s', c.oid::regclass, v.blkno, v.offnum, v.msg) as what
        from pg_class c cross join lateral verify_heapam(c.oid, check_toast => true) v where c.relkind in ('r', 'm', 't') and c.relpersistence = 'p'`)
    complaints.push(...rows.map((row) => `${datname}: ${row.what}`))
    const indexes = await client.query<{ oid: string; name: string }>(
      `select c.oid::text, c.oid::regclass::text as name from pg_class c join pg_index i on i.indexrelid = c.oid join pg_am a on a.oid = c.relam
        where a.amname = 'btree' and i.indisvalid and c.relpersistence = 'p' and c.relkind = 'i'`,
    )
    for (const { oid, name } of indexes.rows) {
      await client
        .query('select bt_index_check($1::oid, true)', [oid])
        .catch((error: Error) => complaints.push(`${datname}: ${name}: ${error.message}`))
    }
  }
  return complaints
}
