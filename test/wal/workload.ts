// A workload that makes as many kinds of WAL records as one server can, for tests that compare readings of it.
import { mkdir, chown } from 'node:fs/promises'
import { join } from 'node:path'

import type { TestServer } from '../support/postgres.ts'

/** Settings that the workload needs. WAL is kept, so that it can be read from pg_wal afterwards. */
export const workloadSettings = {
  wal_keep_size: '4GB',
  max_prepared_transactions: '10',
  max_wal_size: '128MB',
  checkpoint_timeout: '30s',
  autovacuum_naptime: '1s',
  wal_level: 'replica',
} as const

const tables = `
  CREATE TABLE plain (id bigint PRIMARY KEY, payload text, tag int) WITH (fillfactor = 60);
  INSERT INTO plain SELECT n, repeat(md5(n::text), 3), n % 17 FROM generate_series(1, 8000) n;
  CREATE INDEX plain_hash ON plain USING hash (tag);
  CREATE INDEX plain_brin ON plain USING brin (id) WITH (pages_per_range = 4, autosummarize = on);
  CREATE TABLE toasted (id int, wide text);
  ALTER TABLE toasted ALTER COLUMN wide SET STORAGE EXTERNAL;
  INSERT INTO toasted SELECT n, repeat(md5(n::text), 900) FROM generate_series(1, 40) n;
  CREATE TABLE documents (id int, words int[], area box, at point, name text, span int4range);
  INSERT INTO documents SELECT n, ARRAY[n % 7, n % 31, n % 113], box(point(n, n), point(n + 5, n + 5)), point(n % 100, n / 100), 'name' || n,
    int4range(n, n + 10) FROM generate_series(1, 4000) n;
  CREATE INDEX ON documents USING gin (words);
  CREATE INDEX ON documents USING gist (area);
  CREATE INDEX ON documents USING spgist (at);
  CREATE INDEX ON documents USING spgist (name);
  CREATE INDEX ON documents USING gist (span);
  INSERT INTO documents SELECT n, ARRAY[n % 7, n], box(point(n, n), point(n + 5, n + 5)), point(n % 100, n / 100), 'name' || n, int4range(n, n + 3)
    FROM generate_series(4001, 6000) n;
  CREATE SEQUENCE numbers;
  SELECT count(nextval('numbers')) FROM generate_series(1, 200);
  CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY, payload text);
  INSERT INTO fleeting SELECT n, md5(n::text) FROM generate_series(1, 3000) n;
`
const changes = [
  "UPDATE plain SET payload = repeat('x', 40) WHERE id % 100 = 0",
  'UPDATE plain SET tag = tag + 1 WHERE id % 50 = 3',
  'DELETE FROM plain WHERE id BETWEEN 7000 AND 7900',
  'VACUUM (TRUNCATE true, FREEZE) plain',
  'DELETE FROM plain WHERE id > 4000',
  'VACUUM plain',
  'DELETE FROM documents WHERE id % 3 = 0',
  'VACUUM documents',
  'ALTER TABLE fleeting SET LOGGED',
  'ALTER TABLE toasted SET UNLOGGED',
  'INSERT INTO toasted SELECT n, md5(n::text) FROM generate_series(1, 100) n',
  'CREATE TABLE made AS SELECT n AS id, md5(n::text) AS v FROM generate_series(1, 2000) n',
  'TRUNCATE made',
  'INSERT INTO made SELECT n, md5(n::text) FROM generate_series(1, 500) n',
  'VACUUM FULL plain',
  'CLUSTER plain USING plain_pkey',
  'REINDEX TABLE documents',
  'DROP TABLE made',
  'CREATE TABLE parts (day int, v text) PARTITION BY RANGE (day)',
  'CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100)',
  "INSERT INTO parts SELECT n % 100, repeat('p', 200) FROM generate_series(1, 3000) n",
  'CREATE INDEX ON parts (day)',
  "SET wal_compression = pglz; UPDATE parts SET v = repeat('q', 150) WHERE day < 30; CHECKPOINT; UPDATE parts SET v = repeat('r', 150) WHERE day < 60",
  "SELECT pg_create_restore_point('before the end')",
  "SELECT pg_logical_emit_message(false, 'other', repeat('m', 20000))",
  'SELECT txid_current(); SELECT pg_switch_wal()',
  'CREATE MATERIALIZED VIEW seen AS SELECT day, count(*) FROM parts GROUP BY day',
  'REFRESH MATERIALIZED VIEW seen',
  "ANALYZE; CREATE ROLE somebody; COMMENT ON TABLE parts IS 'x'; DROP ROLE somebody",
]

/** Runs everything once; about 60 MB of WAL and some seconds. */
export async function runWorkload(server: TestServer): Promise<void> {
  await server.psql(tables)
  for (const sql of changes) await oneByOne(server, sql)
  await transactions(server)
  await databases(server)
  await tablespaces(server)
  await oneByOne(server, 'CHECKPOINT; SELECT pg_switch_wal()')
}

/** Statements in one session, each in its own transaction. */
async function oneByOne(server: TestServer, sql: string): Promise<void> {
  await using client = await server.connect()
  for (const statement of sql.split(';')) if (statement.trim() !== '') await client.query(statement)
}

/** Enough transaction ids for a new page of pg_xact, and for assignments of subtransactions. */
const manyTransactions = `DO $$ BEGIN FOR n IN 1..33000 LOOP
  BEGIN INSERT INTO toasted VALUES (n, NULL); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$`

async function transactions(server: TestServer): Promise<void> {
  await server.psql(manyTransactions)
  await oneByOne(
    server,
    "BEGIN; INSERT INTO plain VALUES (90001, 'two', 1); CREATE TABLE prepared (id int); PREPARE TRANSACTION 'one'; COMMIT PREPARED 'one'",
  )
  await oneByOne(
    server,
    "BEGIN; INSERT INTO plain VALUES (90002, 'two', 1); CREATE TABLE lost (id int); DROP TABLE prepared; PREPARE TRANSACTION 'two'; ROLLBACK PREPARED 'two'",
  )
  await oneByOne(server, 'BEGIN; CREATE TABLE undone AS SELECT generate_series(1, 500) AS n; ROLLBACK')
  const nested = Array.from(
    { length: 90 },
    (_, n) => `SAVEPOINT s${n}; INSERT INTO plain VALUES (${91000 + n}, 's', ${n})`,
  ).join(';')
  await oneByOne(server, `BEGIN; ${nested}; ROLLBACK TO s80; COMMIT`)
  await oneByOne(
    server,
    "BEGIN; SELECT pg_logical_emit_message(true, 'wharf.load', 'load-1'); INSERT INTO plain VALUES (95000, 'load', 1); COMMIT;" +
      "BEGIN; SAVEPOINT a; SELECT pg_logical_emit_message(true, 'wharf.load', 'load-2'); INSERT INTO plain VALUES (95001, 'load', 1); RELEASE a; COMMIT",
  )
  await oneByOne(server, 'BEGIN; SELECT * FROM plain WHERE id < 10 FOR SHARE; COMMIT')
  await using one = await server.connect()
  await using other = await server.connect()
  for (const client of [one, other]) await client.query('BEGIN; SELECT id FROM plain WHERE id < 5 FOR KEY SHARE')
  for (const client of [one, other]) await client.query('COMMIT')
}

async function databases(server: TestServer): Promise<void> {
  await oneByOne(server, 'CREATE DATABASE logged_copy STRATEGY wal_log; CREATE DATABASE file_copy STRATEGY file_copy')
  await server.psql('CREATE TABLE inside AS SELECT generate_series(1, 1000) AS n', 'file_copy')
  await oneByOne(server, 'DROP DATABASE logged_copy')
}

async function tablespaces(server: TestServer): Promise<void> {
  const path = join(server.socketDirectory, `space-${'long-'.repeat(20)}`)
  await mkdir(path, { recursive: true })
  if (server.account) await chown(path, server.account.uid, server.account.gid)
  await oneByOne(
    server,
    `CREATE TABLESPACE elsewhere LOCATION '${path}'; ALTER DATABASE file_copy SET TABLESPACE elsewhere`,
  )
  await oneByOne(
    server,
    'ALTER TABLE documents SET TABLESPACE elsewhere; CREATE TABLE there (id int) TABLESPACE elsewhere; INSERT INTO there VALUES (1); DROP TABLE there',
  )
}
