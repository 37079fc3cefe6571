// Acceptance 2: examples/weather on generated files; `npm run accept -- weather` does the same with the real ones.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rename, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { seededRandom } from '../../src/base/random.ts'
import { loadJournal } from '../../src/loads/contract.ts'
import type { RunView } from '../../src/runs/contract.ts'
import { startServer, type Major, type TestServer } from '../support/postgres.ts'
import { skipUnless } from '../support/requirements.ts'
import { generateFeeds, weatherDay, writeOld } from './feeds.ts'
import { ensureDatabase, type LoadStage } from './stage.ts'
import { factsOfFiles, factsOfWarehouse } from './weather-truth.ts'
import { openWeather } from './weather.ts'

const DAYS = 40

function resultOf(run: RunView, task: string): unknown {
  return run.tasks.find((one) => one.name === task)?.result
}
function errorOf(run: RunView): string | undefined {
  return run.tasks.find((one) => one.state === 'failed')?.error?.message
}

for (const major of [15, 18] as const satisfies readonly Major[]) {
  describe(`weather on PostgreSQL ${major}`, { skip: skipUnless('all-postgres') }, () => {
    let server: TestServer
    let stage: LoadStage
    let feeds: string
    before(async () => {
      feeds = await mkdtemp(join(tmpdir(), 'wharf-loads-feeds-'))
      await generateFeeds({ folder: feeds, seed: major, days: DAYS })
      server = await startServer({ major })
      await ensureDatabase(server, 'control')
      stage = await openWeather({ server }, feeds)
    })
    after(async () => {
      await stage[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
      await rm(feeds, { recursive: true, force: true })
    })

    test('counts and sums equal an independent count of the files', async () => {
      const run = await stage.run('weather')
      assert.equal(errorOf(run), undefined)
      assert.deepEqual(await factsOfWarehouse(server), await factsOfFiles(feeds))
    })

    test('a second run loads nothing', async () => {
      const before = await factsOfWarehouse(server)
      const run = await stage.run('weather')
      for (const task of ['airports', 'planes', 'days']) {
        assert.deepEqual(resultOf(run, task), { files: 0, rows: 0, bytes: 0, refused: [], changed: [], waiting: [] })
      }
      assert.deepEqual(await factsOfWarehouse(server), before)
    })

    test('the journal has one entry for each file, with its hash, its rows and what it wrote', async () => {
      const journal = await stage.context.use(loadJournal)
      const entries = await journal.list('dw', { limit: 1000, signal: new AbortController().signal })
      const days = entries.filter((entry) => entry.task === 'days')
      assert.equal(days.length, DAYS)
      assert.equal(new Set(days.map((entry) => entry.xid)).size, DAYS)
      const [newest] = days
      assert.equal(newest?.inputs[0]?.name, '2013-02-09.csv')
      assert.deepEqual(newest?.targets, ['dw.date', 'dw.weather', 'stage.weather'])
      assert.equal(newest?.logged, true)
      assert.deepEqual(await journal.get('dw', newest.id, new AbortController().signal), newest)
      // In the order of their dates.
      assert.deepEqual(
        days.map((entry) => entry.inputs[0]!.name).toReversed(),
        (await readdir(join(feeds, 'weather'))).sort(),
      )
    })

    test('a changed airport is taken over, nothing else', async () => {
      const path = join(feeds, 'airports.csv')
      await writeOld(path, (await readFile(path, 'utf8')).replace('Airport of JFK', 'John F Kennedy Intl'))
      const run = await stage.run('weather')
      assert.deepEqual((resultOf(run, 'airports') as { files: number }).files, 1)
      const rows = await server.psql("select name from dw.airport where faa = 'JFK'")
      assert.deepEqual(rows, [{ name: 'John F Kennedy Intl' }])
    })

    test('a file that was only touched is not loaded again', async () => {
      const path = join(feeds, 'airports.csv')
      await writeOld(path, await readFile(path))
      const run = await stage.run('weather')
      assert.equal((resultOf(run, 'airports') as { files: number }).files, 0)
      const entries = await server.psql(
        "select count(*)::int as entries from wharf.load_journal where task = 'airports'",
      )
      assert.deepEqual(entries, [{ entries: 2 }])
    })

    const day = '2013-03-01'
    const good = weatherDay(day, seededRandom(7))
    const lines = good.split('\n')
    const change = (line: number, to: (text: string) => string): string =>
      lines.map((text, index) => (index === line - 1 ? to(text) : text)).join('\n')
    const field = (index: number, value: string) => (text: string) => text.split(',').with(index, value).join(',')
    const columnOf = (line: number, index: number): number =>
      lines[line - 1]!.split(',').slice(0, index).join(',').length + 2

    const refused: readonly [string, string | Buffer, string][] = [
      [
        'a bad number',
        change(14, field(5, '3x.5')),
        `${day}.csv, line 14, column ${columnOf(14, 5)} ("temp"): "3x.5" is not a number (double precision)`,
      ],
      [
        'a whole number out of range',
        change(3, field(8, '40000')),
        `${day}.csv, line 3, column ${columnOf(3, 8)} ("wind_dir"): "40000" is out of range for smallint`,
      ],
      [
        'a bad time',
        change(5, field(14, '2013-02-30T05:00:00Z')),
        `${day}.csv, line 5, column ${columnOf(5, 14)} ("time_hour"): "2013-02-30T05:00:00Z" is not a time (wanted: YYYY-MM-DDThh:mm:ss)`,
      ],
      [
        'a missing value',
        change(4, field(0, 'NA')),
        `${day}.csv, line 4, column 1 ("origin"): the value is missing ("NA"), and the column must have one`,
      ],
      [
        'a missing column',
        lines.map((text) => text.split(',').toSpliced(7, 1).join(',')).join('\n'),
        `${day}.csv, line 1: the file lacks column "humid" of table "stage.weather"`,
      ],
      [
        'an extra column',
        lines.map((text, index) => (text === '' ? '' : `${text},${index === 0 ? 'snow' : '0'}`)).join('\n'),
        `${day}.csv, line 1, column ${lines[0]!.length + 2}: the file has a column "snow", which table "stage.weather" lacks`,
      ],
      [
        'a line that is too short',
        change(6, (text) => text.split(',').slice(0, 9).join(',')),
        `${day}.csv, line 6, column ${lines[5]!.split(',').slice(0, 8).join(',').length + 2}: 9 values where the header names 15 columns`,
      ],
      [
        'a torn last line',
        good.slice(0, -9),
        `${day}.csv, line ${lines.length - 1}, column ${lines.at(-2)!.length - 7}: the last line does not end with a line break, so the file may be torn`,
      ],
      [
        'a wrong encoding',
        Buffer.from(change(9, field(0, 'Zür')), 'latin1'),
        `${day}.csv, line 9, column 2: not UTF-8: byte 0xfc`,
      ],
      ['an empty file', '', `${day}.csv: the file is empty: it lacks the header line`],
      [
        'a row of another day',
        change(7, field(3, '2')),
        `${day}.csv: weather.sql: a row of 2013-3-2 is in the file of 2013-03-01`,
      ],
      [
        'an unknown airport',
        change(7, field(0, 'XXX')),
        `${day}.csv: weather.sql: airport XXX is not in the dimension`,
      ],
    ]
    for (const [what, content, message] of refused) {
      test(`${what} is refused with its place, and nothing of the file is loaded`, async () => {
        const before = await factsOfWarehouse(server)
        await writeOld(join(feeds, 'weather', `${day}.csv`), content)
        await writeOld(join(feeds, 'weather', '2013-03-02.csv'), weatherDay('2013-03-02', seededRandom(8)))
        const run = await stage.run('weather')
        assert.equal(run.state, 'failed')
        assert.equal(errorOf(run), message)
        // Neither this file nor, since the order stands, the one behind it.
        assert.deepEqual(await factsOfWarehouse(server), before)
        assert.equal((await server.psql("select from pg_class where relname = 'weather_2013_03'")).length, 0)
      })
    }

    test('once it is repaired, it and what waited behind it are loaded', async () => {
      await writeOld(join(feeds, 'weather', `${day}.csv`), good)
      const run = await stage.run('weather')
      assert.equal(errorOf(run), undefined)
      assert.equal((resultOf(run, 'days') as { files: number }).files, 2)
      assert.deepEqual(await factsOfWarehouse(server), await factsOfFiles(feeds))
    })

    test('a file that is loaded stays loaded when it is moved away, and is not loaded again when it comes back', async () => {
      const before = await factsOfWarehouse(server)
      const path = join(feeds, 'weather', `${day}.csv`)
      await rename(path, join(feeds, 'aside'))
      assert.equal((await stage.run('weather')).state, 'succeeded')
      await rename(join(feeds, 'aside'), path)
      assert.equal((await stage.run('weather')).state, 'succeeded')
      assert.deepEqual(await factsOfWarehouse(server), before)
      await unlink(path)
    })
  })
}
