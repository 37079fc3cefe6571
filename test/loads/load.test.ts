// Single behaviours of loads on a real server, with their exact error texts.
import assert from 'node:assert/strict'
import { mkdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { InputBytes } from '../../src/loads/copy/bytes.ts'
import { installSql } from '../../src/warehouse/load-journal.ts'
import { loadTransaction } from '../../src/loads/journal/transaction.ts'
import type { RunView, TaskExecution } from '../../src/runs/contract.ts'
import type { FoundFile } from '../../src/loads/source/find.ts'
import { warehouses } from '../../src/warehouse/contract.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { writeOld } from './feeds.ts'
import { ensureDatabase, openLoadStage, type LoadStage } from './stage.ts'

const copy = (more: object): object => ({
  warehouse: 'dw',
  tasks: { a: { copy: { into: 't', files: '*.csv', ...more } } },
})
const sql = (text: string, more: object = {}): object => ({ warehouse: 'dw', tasks: { a: { sql: { text, ...more } } } })

const pipelines = {
  skip: copy({ folder: 'skip', on_error: 'skip_file' }),
  packed: copy({ folder: 'packed', files: '*.csv.gz' }),
  torn: copy({ folder: 'torn', files: '*.csv.gz' }),
  server: copy({ folder: 'server' }),
  order: copy({ folder: 'order', settle: '1h' }),
  nowhere: copy({ folder: 'nowhere' }),
  table: copy({ folder: 'skip', into: 'missing' }),
  quoted: copy({ folder: 'quoted', null_words: ['NA'], delimiter: ';' }),
  settings: sql(
    "insert into t (i, s) values (1, current_setting('my.word') || current_setting('wharf.business_date'))",
    { settings: { 'my.word': "it's " } },
  ),
  wrong: sql('select 1;\nselect nothing from t'),
  commit: sql('insert into t values (7);\ncommit'),
  sneaky: sql('insert into t values (8); do $$ begin commit; end $$'),
  unlogged: { warehouse: 'dw', tasks: { a: { sql: { text: 'insert into u values (1)' }, logged: false } } },
  command: {
    warehouse: 'dw',
    tasks: {
      a: {
        command: {
          argv: ['sh', '-c', 'echo $WORD $WHARF_PIPELINE; test -n "$WHARF_TOKEN"; echo broken >&2; exit 3'],
          env: { WORD: 'hello' },
        },
      },
    },
  },
  no_program: { warehouse: 'dw', tasks: { a: { command: ['/nonexistent/program'] } } },
} as const

let server: TestServer
let stage: LoadStage
before(async () => {
  server = await startServer({ major: 18 })
  await ensureDatabase(server, 'control')
  stage = await openLoadStage({ server, pipelines })
  await server.psql(
    'create table t (i integer not null, s varchar(5), check (i <> 13)); create unlogged table u (i int); create role loader login',
  )
})
after(async () => {
  await stage[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const put = async (path: string, content: string | Buffer): Promise<void> => {
  await mkdir(join(stage.folder, path, '..'), { recursive: true })
  await writeOld(join(stage.folder, path), content)
}
const rows = async (): Promise<unknown[]> => {
  const found = await server.psql<{ i: number; s: string | null }>('select i, s from t order by i, s')
  await server.psql('truncate t')
  return found.map((row) => [row.i, row.s])
}
const problem = (run: RunView): string | undefined => run.tasks[0]?.error?.message

test('a refused file is left out where the task says so, and tried again by the next run', async () => {
  await put('skip/1.csv', 'i,s\n1,a\n')
  await put('skip/2.csv', 'i,s\n2x,b\n')
  await put('skip/3.csv', 'i,s\n3,c\n')
  const run = await stage.run('skip')
  assert.equal(run.state, 'succeeded')
  assert.deepEqual((run.tasks[0]!.result as { refused: unknown }).refused, [
    {
      file: '2.csv',
      code: 'loads.bad-value',
      message: '2.csv, line 2, column 1 ("i"): "2x" is not a whole number (integer)',
    },
  ])
  await put('skip/2.csv', 'i,s\n2,b\n')
  assert.equal(((await stage.run('skip')).tasks[0]!.result as { files: number }).files, 1)
  assert.deepEqual(await rows(), [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ])
})

test('gzip is unpacked; a torn one is refused', async () => {
  const packed = gzipSync('i,s\n1,a\n2,\n')
  await put('packed/1.csv.gz', packed)
  assert.equal(problem(await stage.run('packed')), undefined)
  assert.deepEqual(await rows(), [
    [1, 'a'],
    [2, null],
  ])
  await put('torn/1.csv.gz', packed.subarray(0, packed.length - 6))
  assert.equal(
    problem(await stage.run('torn')),
    '1.csv.gz: the compressed file is damaged or torn (unexpected end of file)',
  )
  assert.deepEqual(await rows(), [])
})

test('quotes, other delimiters, and a quoted null word that is a value', async () => {
  await put('quoted/1.csv', 's;i\n"NA";1\nNA;2\n"a;\nb";3\n"\\N";4\n')
  assert.equal(problem(await stage.run('quoted')), undefined)
  assert.deepEqual(await rows(), [
    [1, 'NA'],
    [2, null],
    [3, 'a;\nb'],
    [4, '\\N'],
  ])
})

test('what only the server can know is refused with its line, and its column where the server names one', async () => {
  await put('server/1.csv', 'i,s\n1,"a\nb"\n2,toolong\n')
  assert.equal(problem(await stage.run('server')), '1.csv, line 4 ("s"): value too long for type character varying(5)')
  await put('server/1.csv', 'i,s\n1,a\n13,b\n')
  assert.equal(
    problem(await stage.run('server')),
    '1.csv, line 3: new row for relation "t" violates check constraint "t_i_check" (Failing row contains (13, b).)',
  )
  assert.deepEqual(await rows(), [])
})

test('a file that is still being written holds up those behind it', async () => {
  await put('order/1.csv', 'i,s\n1,a\n')
  await put('order/2.csv', 'i,s\n2,a\n')
  await utimes(join(stage.folder, 'order/1.csv'), 0, 0)
  const run = await stage.run('order')
  assert.deepEqual(run.tasks[0]?.result, {
    files: 1,
    rows: 1,
    bytes: 8,
    refused: [],
    changed: [],
    waiting: ['2.csv'],
  })
  assert.deepEqual(await rows(), [[1, 'a']])
})

test('a folder or table that is not there', async () => {
  assert.equal(
    problem(await stage.run('nowhere')),
    `the folder of the source does not exist: ${join(stage.folder, 'nowhere')}`,
  )
  await put('skip/9.csv', 'i,s\n1,a\n')
  assert.equal(problem(await stage.run('table')), 'there is no table "missing" in warehouse "dw"')
})

test('parameters reach SQL as settings, not as text', async () => {
  await stage
    .run('settings', { businessDate: '2013-01-05' })
    .then((run) => assert.match(problem(run) ?? '', /value too long/))
  await server.psql('alter table t alter s type text')
  assert.equal(problem(await stage.run('settings', { businessDate: '2013-01-05' })), undefined)
  assert.deepEqual(await rows(), [[1, "it's 2013-01-05"]])
})

test('errors of SQL have line and column; the transaction is not the script’s to end', async () => {
  assert.equal(problem(await stage.run('wrong')), 'a (text), line 2, column 8: column "nothing" does not exist')
  assert.equal(
    problem(await stage.run('commit')),
    'a (text), line 2, column 1: "COMMIT" is not possible here: the task is one transaction, so that it takes effect exactly once',
  )
  assert.equal(problem(await stage.run('sneaky')), 'a (text): invalid transaction termination')
  assert.deepEqual(await rows(), [])
})

test('a load that is not logged says so in the journal', async () => {
  assert.equal((await stage.run('unlogged')).state, 'succeeded')
  const entry = await server.psql("select logged, targets from wharf.load_journal where pipeline = 'unlogged'")
  assert.deepEqual(entry, [{ logged: false, targets: ['public.u'] }])
})

test('a command gets its environment, its output is the log, its failure has its last words', async () => {
  const run = await stage.run('command')
  assert.equal(problem(run), 'sh ended with exit code 3; its last words: broken')
  assert.equal(
    problem(await stage.run('no_program')),
    'cannot start /nonexistent/program: there is no such program or folder',
  )
})

test('an older attempt is fenced off, also when nothing in the control database stops it', async () => {
  const warehouse = (await stage.context.use(warehouses)).get('dw')
  await using session = await warehouse.connect({ purpose: 'test', signal: new AbortController().signal })
  const attempt = (token: bigint, run: string): TaskExecution =>
    ({
      context: stage.context,
      run: { id: run, pipeline: 'fence', businessDate: undefined },
      task: { id: '1', name: 'a' },
      token,
    }) as unknown as TaskExecution
  const load = (token: bigint, run: string) =>
    loadTransaction(
      { task: attempt(token, run), session, item: '', businessDate: undefined, logged: true },
      async () => {
        await session.query('insert into t values (99)')
        return { inputs: [], rows: undefined }
      },
    )
  const first = await load(5n, 'run 1')
  assert.deepEqual(await load(6n, 'run 1'), { ...first, now: false }, 'the same run has its effect once')
  await assert.rejects(load(4n, 'run 2'), {
    code: 'loads.fenced',
    message: 'a newer attempt has taken over "fence" task "a"; this one changed nothing',
  })
  assert.deepEqual(await rows(), [[99, null]])
})

test('the mark of a load is in WAL, in its own transaction', async () => {
  const [start] = await server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  await stage.run('settings')
  const [entry] = await server.psql<{ id: string; xid: string }>(
    "select id, xid::text from wharf.load_journal where pipeline = 'settings' order by committed_at desc limit 1",
  )
  await server.psql('create extension if not exists pg_walinspect')
  const marks = await server.psql<{ xid: string; mark: string }>(
    `select xid::text, description as mark from pg_get_wal_records_info('${start!.lsn}', pg_current_wal_flush_lsn()) where resource_manager = 'LogicalMessage'`,
  )
  assert.equal(marks.length, 1)
  assert.equal(marks[0]!.xid, entry!.xid)
  assert.match(marks[0]!.mark, /transactional, prefix "wharf\.load"/)
  const bytes = (Buffer.from(entry!.id).toString('hex').toUpperCase().match(/../g) ?? []).join(' ')
  assert.ok(marks[0]!.mark.includes(bytes), marks[0]!.mark)
  await rows()
})

test('where the role may not create the journal, the error has the SQL', async () => {
  await ensureDatabase(server, 'plain')
  await using other = await openLoadStage({
    server,
    database: 'plain',
    user: 'loader',
    pipelines: { x: sql('select 1') },
  })
  const run = await other.run('x')
  assert.match(
    problem(run) ?? '',
    /^the journal of loads is missing in warehouse "dw" and could not be created: .*permission denied for database plain/,
  )
  assert.equal(
    run.tasks[0]?.error?.hint,
    `let someone who may create a schema run "wharf load install dw", or this SQL:\n${installSql}`,
  )
})

test('a file that changes while it is read is refused, and loaded once it is still', async () => {
  const path = 'order/3.csv'
  await put(path, 'i,s\n1,a\n')
  await using bytes = await InputBytes.open({ ...(await about(path)), bytes: 7 }, new AbortController().signal)
  for await (const _chunk of bytes.chunks());
  await assert.rejects(bytes.finish(), {
    code: 'loads.changed-meanwhile',
    message: '3.csv changed while it was read; nothing of it was loaded',
    passing: true,
  })
})

async function about(path: string): Promise<FoundFile> {
  const { size, mtimeMs } = await stat(join(stage.folder, path))
  return {
    name: '3.csv',
    path: join(stage.folder, path),
    businessDate: undefined,
    bytes: size,
    modifiedMs: Math.trunc(mtimeMs),
  }
}
