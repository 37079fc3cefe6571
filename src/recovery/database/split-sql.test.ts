import assert from 'node:assert/strict'
import { test } from 'node:test'

import { splitStatements } from './split-sql.ts'

test('statements end where psql ends them, whatever they quote', () => {
  const parts = [
    "SET x = 'a;b'",
    `CREATE TABLE "a;b" (c text DEFAULT E'\\';\\\\' , d text DEFAULT 'it''s; \\')`,
    'CREATE FUNCTION f() RETURNS trigger\n    LANGUAGE plpgsql\n    AS $_$ begin; -- \' "\n\\connect x\n end; $_$',
    'CREATE FUNCTION g(a integer) RETURNS integer\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT CASE WHEN ($1 > 0) THEN 1 ELSE 2 END;\n SELECT 2;\nEND',
    'CREATE RULE r AS ON INSERT TO t DO ALSO ( INSERT INTO u VALUES (1); DELETE FROM v; )',
    "COMMENT ON TABLE t IS 'begin; case'",
    'CREATE TABLE "case" ("end" integer, begin integer)',
    "SELECT $1 AS a$b, 'x' -- it's; a comment\n, 2",
  ]
  const text = `--\n-- Name: x; Type: y\n--\n\\restrict abc\n\n${parts.join(";\n\n--\n-- that's a comment; here\n--\n")};\n\n\\unrestrict abc\n`
  assert.deepEqual(splitStatements(text), parts)
  assert.deepEqual(splitStatements('\n-- nothing\n'), [])
})

test('a dump that ends early, and what only psql could run, is refused', () => {
  for (const text of ['SELECT 1', "SELECT 'a;", 'SELECT $x$ a;', 'CREATE RULE r DO (SELECT 1;', '\\copy t from x\n'])
    assert.throws(() => splitStatements(text), text)
})
