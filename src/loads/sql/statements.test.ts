import assert from 'node:assert/strict'
import { test } from 'node:test'

import { emptiedBy, lineAndColumn, statementStarts, transactionControl } from './statements.ts'

const words = (sql: string): string[] => statementStarts(sql).map((start) => start.word)

test('the first word of each statement, whatever quotes and comments hold', () => {
  assert.deepEqual(words('select 1; update t set a = 1;'), ['SELECT', 'UPDATE'])
  assert.deepEqual(
    words(
      `-- commit;\n/* rollback; /* nested; */ commit; */ select ';commit', E'\\';commit', "a;commit" ; delete from t`,
    ),
    ['SELECT', 'DELETE'],
  )
  assert.deepEqual(words('do $$ begin commit; end $$; select $x$ ;commit; $$ $x$; insert into t values ($1)'), [
    'DO',
    'SELECT',
    'INSERT',
  ])
  assert.deepEqual(
    words('create function f() returns int begin atomic select case when true then 1 end; commit; end; select 2'),
    ['CREATE', 'SELECT'],
  )
  assert.deepEqual(words('(select 1); with a as (select 1) select 2'), ['WITH'])
  assert.deepEqual(words(''), [])
})

test('transaction control is found, with its place', () => {
  const sql = 'select 1;\n  commit;'
  const found = transactionControl(sql)
  assert.deepEqual(found && { word: found.word, ...lineAndColumn(sql, found.offset) }, {
    word: 'COMMIT',
    line: 2,
    column: 3,
  })
  for (const bad of [
    'begin',
    'BEGIN; select 1',
    'start transaction',
    'rollback',
    'end',
    'abort',
    "prepare transaction 'x'",
  ])
    assert.ok(transactionControl(bad), bad)
  for (const good of [
    'savepoint a; rollback to a; release a',
    'rollback to savepoint a',
    'prepare p as select 1',
    'do $$ begin null; end $$',
  ])
    assert.equal(transactionControl(good), undefined, good)
})

test('tables that a script empties, apart from those that it may have read before', () => {
  assert.deepEqual(
    emptiedBy('set work_mem = 1; truncate stage.a, "B" restart identity; drop table if exists c cascade'),
    {
      first: ['stage.a', '"B"', 'c'],
      later: [],
      readsNothing: true,
    },
  )
  assert.deepEqual(emptiedBy('truncate a; insert into b select * from c; truncate table c; drop table d'), {
    first: ['a'],
    later: ['c'],
    readsNothing: false,
  })
  for (const unsure of ['truncate only a', 'drop view a', 'truncate a /* b */, c', "select 'truncate a'"])
    assert.deepEqual([emptiedBy(unsure).first, emptiedBy(unsure).later], [[], []], unsure)
})
