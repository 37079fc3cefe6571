// One case of "kill −9 while loading": a fresh database, a worker that is killed at random moments, others that go on; then every file must be
// there exactly once, by the facts of the files and by the journal.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { seededRandom } from '../../src/base/random.ts'
import { factsOfFiles, factsOfWarehouse } from '../loads/weather-truth.ts'
import type { TestServer } from '../support/postgres.ts'
import type { LoadsWorkerOptions } from './loads-worker.ts'

const script = fileURLToPath(new URL('loads-worker.ts', import.meta.url))

export interface KillCase {
  readonly server: TestServer
  readonly feeds: string
  readonly files: number
  readonly seed: number
  readonly kills: number
}

export async function killWhileLoading(options: KillCase): Promise<void> {
  const { server } = options
  const random = seededRandom(options.seed)
  const database = `case_${options.seed}`
  await server.psql(`create database ${database}`)
  const worker = {
    url: server.url,
    database,
    feeds: options.feeds,
    key: `case ${options.seed} ${process.pid}`,
    lease: '1s',
  }
  for (let kill = 0; kill < options.kills; kill++) {
    const child = startWorker(worker)
    const ended = once(child, 'exit')
    if (await saysWorking(child)) await delay(random.integer(700))
    child.kill('SIGKILL')
    await ended
  }
  const last = startWorker(worker)
  const said = await output(last)
  assert.equal(said, 'working\nsucceeded\n')
  assert.deepEqual(await factsOfWarehouse(server, database), await factsOfFiles(options.feeds))
  const journal = await server.psql<{ entries: number; files: number; xids: number }>(
    `select count(*)::int as entries, count(distinct inputs -> 0 ->> 'name')::int as files, count(distinct xid::text)::int as xids
     from wharf.load_journal where task = 'days'`,
    database,
  )
  assert.deepEqual(journal, [{ entries: options.files, files: options.files, xids: options.files }])
  await server.psql(`drop database ${database} with (force)`)
}

export function startWorker(options: LoadsWorkerOptions): ChildProcess {
  return spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** False where it ended before. */
export async function saysWorking(child: ChildProcess): Promise<boolean> {
  return await Promise.race([once(child.stdout!, 'data').then(() => true), once(child, 'exit').then(() => false)])
}

export async function output(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout!) text += String(chunk)
  return text
}

export async function delay(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
