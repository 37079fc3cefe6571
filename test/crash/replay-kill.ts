// kill −9 of loads that are kept, and of their replay, at random moments: what is kept is what committed, and what comes back is the truth.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { seededRandom, type Random } from '../../src/base/random.ts'
import { isWharfError } from '../../src/base/errors.ts'
import type { Major } from '../support/postgres.ts'
import { openKeptWorld, truthOf, writeFeed, type KeptWorld, type RecoveredKept } from '../loads/kept-world.ts'
import { delay, output, saysWorking } from './loads-kill.ts'
import type { ReplayChild } from './replay-child.ts'

const script = fileURLToPath(new URL('replay-child.ts', import.meta.url))
const signal = new AbortController().signal
/** About what a night of loads, or a replay of some, takes. */
const SPAN_MS = 1500

function start(options: ReplayChild): ChildProcess {
  return spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Killed so often at random moments, then left to end. */
async function kill(options: ReplayChild, kills: number, random: Random): Promise<void> {
  for (let count = 0; count < kills; count++) {
    const child = start(options)
    const ended = once(child, 'exit')
    if (await saysWorking(child)) await delay(random.integer(SPAN_MS))
    child.kill('SIGKILL')
    await ended
  }
  await finish(options)
}

/** A replay that was killed holds its lock until the server has noticed. */
async function finish(options: ReplayChild): Promise<void> {
  for (let tries = 0; ; tries++) {
    const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    child.stderr.on('data', (data) => (said += String(data)))
    if ((await output(child)).endsWith('succeeded\n')) return
    if (!said.includes('recovery.replay-busy') || tries > 60) assert.fail(said)
    await delay(500)
  }
}

export interface ReplayKillCase {
  readonly major: Major
  readonly seed: number
  readonly kills: number
  readonly days: number
}

export async function killLoadsAndReplay(options: ReplayKillCase): Promise<void> {
  const random = seededRandom(options.seed)
  await using at = await openKeptWorld(options.major)
  const { url } = at.server
  await at.load(1)
  await at.backup()
  for (let day = 2; day <= options.days; day++) {
    await writeFeed(at.folder, day)
    const key = `day ${day} of ${options.seed} ${process.pid}`
    await kill({ do: 'load', url, folder: at.folder, day, key }, options.kills, random)
  }
  await keptIsWhatCommitted(at)
  await at.world.archiveAll()
  const truth = await truthOf(at.server)
  await at.server.kill9()
  await using recovered = await at.recover({ latest: true })
  await killReplay(at, recovered, options.kills, random)
  assert.deepEqual(await truthOf(recovered), truth)
  assert.deepEqual((await at.replay(recovered.url)).loads, [])
}

async function killReplay(at: KeptWorld, recovered: RecoveredKept, kills: number, random: Random): Promise<void> {
  await kill({ do: 'replay', url: recovered.url, folder: at.folder }, kills, random)
  // Nothing of a replay that was killed works on.
  for (let tries = 0; ; tries++) {
    try {
      await at.replay(recovered.url)
      return
    } catch (error) {
      if (!isWharfError(error, 'recovery.replay-busy') || tries > 60) throw error
      await delay(500)
    }
  }
}

/** Every load of the journal is kept, and nothing else that is kept ever committed. */
async function keptIsWhatCommitted(at: KeptWorld): Promise<void> {
  const { repository } = at.world
  await at.world.archiveAll()
  const rows = await at.server.psql<{ id: string }>('select id from wharf.load_journal')
  const journal = new Set(rows.map((row) => row.id))
  const kept = await repository.kept.list('dw', signal)
  for (const id of journal)
    assert.ok(
      kept.some((one) => one.id === id),
      `load ${id} committed and is not kept`,
    )
  for (const load of kept) {
    const { state } = await repository.kept.outcome(load, signal)
    assert.equal(state === 'committed', journal.has(load.id), `load ${load.id} is ${state}`)
  }
}
