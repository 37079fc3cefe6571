import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sortDefinitions } from './definitions.ts'

test('what a dump says of a database is said of the new one, but that it is a template', () => {
  const statements = [
    "SET client_encoding = 'UTF8'",
    'CREATE DATABASE "my ""db" WITH TEMPLATE = template0',
    'ALTER DATABASE "my ""db" OWNER TO clerk',
    'ALTER DATABASE "my ""db" IS_TEMPLATE = true',
    `ALTER DATABASE "my ""db" SET search_path TO 'app', 'is_template'`,
    'ALTER ROLE clerk IN DATABASE "my ""db" SET work_mem TO 64',
    'GRANT CONNECT ON DATABASE "my ""db" TO clerk',
    "SET default_tablespace = 'fast'",
    'CREATE TABLE t ()',
  ]
  assert.deepEqual(sortDefinitions(statements, 'new'), {
    create: 'CREATE DATABASE "new" WITH TEMPLATE = template0',
    about: [
      'ALTER DATABASE "new" OWNER TO clerk',
      `ALTER DATABASE "new" SET search_path TO 'app', 'is_template'`,
      'ALTER ROLE clerk IN DATABASE "new" SET work_mem TO 64',
      'GRANT CONNECT ON DATABASE "new" TO clerk',
    ],
    settings: ["SET client_encoding = 'UTF8'"],
    jobs: [{ sql: 'CREATE TABLE t ()', defaults: ["SET default_tablespace = 'fast'"] }],
  })
})
