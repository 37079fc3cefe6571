import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'

import { generateFeeds } from '../loads/feeds.ts'
import { ensureDatabase } from '../loads/stage.ts'
import { factsOfFiles, factsOfWarehouse } from '../loads/weather-truth.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { delay, killWhileLoading, output, saysWorking, startWorker } from './loads-kill.ts'

const FILES = 150
const kills = Number(process.env['ACCEPT_COUNT'] ?? 5)
const seed = Number(process.env['ACCEPT_SEED'] ?? 1)

describe('loads survive the death of their workers', () => {
  let server: TestServer
  let feeds: string
  before(async () => {
    feeds = await mkdtemp(join(tmpdir(), 'wharf-loads-kill-'))
    await generateFeeds({ folder: feeds, seed: 3, days: FILES })
    server = await startServer({ major: 18 })
    await ensureDatabase(server, 'control')
  })
  after(async () => {
    await server[Symbol.asyncDispose]()
    await rm(feeds, { recursive: true, force: true })
  })

  test(`kill −9 at ${kills} random moments: every file exactly once (seed ${seed})`, async () => {
    for (let done = 0; done < kills; done += 5) {
      await killWhileLoading({
        server,
        feeds,
        files: FILES,
        seed: seed * 1000 + done,
        kills: Math.min(5, kills - done),
      })
    }
  })

  test('a worker that was paused and comes back after its lease changes nothing', async (t) => {
    const started = performance.now()
    const note = (what: string): void => t.diagnostic(`${what} after ${Math.round(performance.now() - started)} ms`)
    await server.psql('create database paused')
    const options = { url: server.url, database: 'paused', feeds, key: 'paused', lease: '1s' }
    const paused = startWorker(options)
    const said = output(paused)
    const pausedEnd = once(paused, 'exit')
    while ((await server.psql("select from pg_class where relname = 'load_file'", 'paused')).length === 0)
      await delay(20)
    while ((await server.psql('select from wharf.load_file', 'paused')).length < 10) await delay(5)
    paused.kill('SIGSTOP')
    note('paused')
    const other = startWorker(options)
    assert.equal(await saysWorking(other), true)
    await once(other, 'exit')
    note('other done')
    const facts = await factsOfWarehouse(server, 'paused')
    paused.kill('SIGCONT')
    assert.equal(await said, 'working\nsucceeded\n')
    await pausedEnd
    note('paused worker done')
    assert.deepEqual(facts, await factsOfFiles(feeds))
    assert.deepEqual(await factsOfWarehouse(server, 'paused'), facts)
    const journal = await server.psql(
      "select count(*)::int as entries from wharf.load_journal where task = 'days'",
      'paused',
    )
    assert.deepEqual(journal, [{ entries: FILES }])
  })
})
