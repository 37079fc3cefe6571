// kill −9 of a process that follows, at random moments of restoring, starting and feeding, beside the live server: the same command goes on, and at the end a
// cut-over gives what the live server holds, which was never harmed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Client } from 'pg'

import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { readMarker } from '../../src/recovery/restore/marker.ts'
import { endServer } from '../../src/warehouse/servers.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, tableInSpace } from '../backup/world.ts'
import { requestFor } from '../restore/recovered.ts'
import { binariesOf, type TestServer } from '../support/postgres.ts'
import type { KillRecoveries } from './recover-kill.ts'

const wharf = fileURLToPath(new URL('../../src/app/main.ts', import.meta.url))

export async function killFollow({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random = seededRandom(seed)
  await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
  const { server } = world
  await tableInSpace(world, 4000)
  await world.take('full')
  const { repositoryPath, passphraseFile } = await requestFor(world, {})
  const directory = join(world.folder, 'standby')
  const common = ['--home', join(world.folder, 'cli-home')]
  const command = ['recover', 'run', 'retail', '--follow', '--to-directory', directory].concat(
    ['--repository-path', repositoryPath!, '--passphrase-file', passphraseFile!, '--verify', 'checksums'],
    ['--binaries', (await binariesOf(major)).bin, '--workers', '2', '--yes', ...common],
  )
  const start = (args: readonly string[]) =>
    spawn(process.execPath, [wharf, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  for (let turn = 0; turn < kills; turn++) {
    const state = (await readMarker(directory))?.state
    const child = start(state === 'restoring' ? [...command, '--resume'] : command)
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const exited = new Promise<number | null>((resolve) => child.on('close', resolve))
    // From the first sign of work on, so that the moments fall within it.
    while (!existsSync(directory) && child.exitCode === null) await systemClock.sleep(5)
    await systemClock.sleep(random.integer(6000))
    await server.psql(
      `insert into t select n, 'later' from generate_series(${(turn + 1) * 10_000}, ${(turn + 1) * 10_000 + 300}) n`,
    )
    await world.archiveAll()
    child.kill('SIGKILL')
    const code = await exited
    assert.equal(code, null, stderr)
    log(`follow, ${major}: killed while ${(await readMarker(directory))?.state ?? 'nothing was there'}`)
  }
  const contents = await contentsOf(server)
  const state = (await readMarker(directory))?.state
  const last = start(state === 'restoring' ? [...command, '--resume'] : command)
  let stderr = ''
  last.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<number | null>((resolve) => last.on('close', resolve))
  try {
    while (
      (await readMarker(directory))?.state !== 'following' ||
      (await readMarker(directory))?.holder?.process.split(' ')[0] !== String(last.pid)
    ) {
      assert.equal(last.exitCode, null, stderr)
      await systemClock.sleep(50)
    }
    const cut = start(['recover', 'cut-over', directory, ...common])
    let said = ''
    cut.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    assert.equal(await new Promise((resolve) => cut.on('close', resolve)), 0, said)
    assert.equal(await ended, 0, stderr)
    const { port } = (await readMarker(directory))!.opened!
    assert.deepEqual(await contentsOf(standbyOn(port)), contents)
    assert.deepEqual(await contentsOf(server), contents)
  } finally {
    last.kill('SIGKILL')
    await endServer({
      dataDirectory: directory,
      mode: 'immediate',
      clock: systemClock,
      signal: new AbortController().signal,
    })
  }
}

/** For the functions of truth.ts, which only connect and query. */
export function standbyOn(port: number): TestServer {
  const connect = async (database = 'postgres') => {
    const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database })
    client.on('error', () => {})
    await client.connect()
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
  }
  const psql = async (sql: string, database?: string): Promise<unknown> => {
    await using client = await connect(database)
    return (await client.query(sql)).rows
  }
  return { connect, psql } as unknown as TestServer
}
