// kill −9 of recoveries with --start while their server replays, is proven and opened: the server that is left is ended by the same command again, which completes.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { processEnvironment } from '../../src/base/environment.ts'
import { readMarker, type MarkerState } from '../../src/recovery/restore/marker.ts'
import { endServer, freePort, runServer } from '../../src/warehouse/servers.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, tableInSpace, type World } from '../backup/world.ts'
import { requestFor } from '../restore/recovered.ts'
import { binariesOf, type Major } from '../support/postgres.ts'
import { standbyOn } from './follow-kill.ts'
import type { KillRecoveries } from './recover-kill.ts'

const never = new AbortController().signal
const wharf = fileURLToPath(new URL('../../src/app/main.ts', import.meta.url))
/** What is left of a recovery of this size once its files are there takes about as long. */
const SPAN_MS = 3000

interface Run {
  readonly port: number
  /** Kills it so long after it has begun. */
  readonly killAfterMs?: number | undefined
}

interface How {
  readonly where: readonly string[]
  /** From when on it may be killed; default: the files are there. */
  readonly begun?: () => Promise<boolean>
}

/** `wharf recover run --start` as a process of its own. */
export class Starting {
  private readonly flags: readonly string[]
  private readonly directory: string
  private readonly major: Major
  private readonly begun: () => Promise<boolean>

  private constructor(parts: { directory: string; flags: readonly string[]; major: Major; begun: How['begun'] }) {
    this.directory = parts.directory
    this.flags = parts.flags
    this.major = parts.major
    this.begun = parts.begun ?? (async () => ['replaying', 'recovered'].includes((await this.state()) ?? ''))
  }

  static async of(world: World, directory: string, { where, begun }: How): Promise<Starting> {
    const { repositoryPath, passphraseFile } = await requestFor(world, {})
    const { bin } = await binariesOf(world.server.major)
    const flags = [
      'recover',
      'run',
      'retail',
      '--latest',
      '--start',
      '--yes',
      '--workers',
      '2',
      '--verify',
      'checksums',
      ...where,
      '--repository-path',
      repositoryPath!,
      '--passphrase-file',
      passphraseFile!,
      '--binaries',
      bin,
      '--home',
      join(world.folder, 'cli-home'),
    ]
    return new Starting({ directory, flags, major: world.server.major, begun })
  }

  async state(): Promise<MarkerState | undefined> {
    return (await readMarker(this.directory))?.state
  }

  async run(
    more: readonly string[],
    { port, killAfterMs }: Run,
  ): Promise<{ killed: boolean; code: number | null; said: string }> {
    const child = spawn(process.execPath, [wharf, ...this.flags, '--port', String(port), ...more], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    const closed = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
      child.on('close', (code, signal) => resolve([code, signal])),
    )
    if (killAfterMs !== undefined) {
      while (child.exitCode === null && !(await this.begun())) await systemClock.sleep(10)
      await systemClock.sleep(killAfterMs)
      child.kill('SIGKILL')
    }
    const [code, signal] = await closed
    return { killed: signal === 'SIGKILL', code, said }
  }

  /** As whoever finds it recovered does. */
  async open(port: number): Promise<void> {
    await this.end()
    await runServer({
      binaries: await binariesOf(this.major),
      dataDirectory: this.directory,
      socketDirectory: join(this.directory, 'wharf-socket'),
      logFile: join(this.directory, 'by-hand.log'),
      settings: {},
      port,
      clock: systemClock,
      environment: processEnvironment(),
      signal: never,
    })
  }

  async end(): Promise<void> {
    await endServer({ dataDirectory: this.directory, mode: 'fast', clock: systemClock, signal: never })
  }
}

/** Into new folders, and every other time in place of the server that was stopped. */
export async function killStarted({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random = seededRandom(seed)
  await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
  const { server } = world
  await tableInSpace(world, 9000)
  await world.take('full')
  for (let round = 0; round < 5; round++) await server.psql('update t set body = md5(body); checkpoint')
  await world.archiveAll()
  const contents = await contentsOf(server)
  await server.stop('fast')
  let killed = 0
  for (let turn = 0; turn < kills; turn++) {
    const inPlace = (seed + turn) % 2 === 1
    const folder = inPlace ? server.dataDirectory : join(world.folder, `started-${turn}`)
    const starting = await Starting.of(world, folder, { where: [inPlace ? '--in-place' : '--to-directory', folder] })
    const killAfterMs = random.integer(SPAN_MS)
    let port = await freePort()
    const first = await starting.run([], { port, killAfterMs })
    const state = await starting.state()
    const what = `${inPlace ? 'in place' : 'in a new folder'}, ${major}: killed after ${killAfterMs} ms in state ${state}`
    if (first.killed) killed++
    else assert.equal(first.code, 0, first.said)
    try {
      if (first.killed && state === 'recovered') await starting.open(port)
      else if (first.killed) {
        port = await freePort()
        const again = await starting.run(inPlace ? [] : ['--resume'], { port })
        assert.equal(again.code, 0, `${what}: ${again.said}`)
      }
      assert.deepEqual(await contentsOf(standbyOn(port)), contents, what)
    } finally {
      await starting.end()
    }
    if (!inPlace) await rm(folder, { recursive: true })
    log(`started ${what}`)
  }
  assert.ok(killed > 0 || kills < 3, 'at least one was killed')
}
