// kill −9 of recoveries between any two of their changes to the disk: nothing half done can be started, a rerun completes, and the result is, byte for byte,
// that of a recovery that nobody killed.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { lstat, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { seededRandom, type Random } from '../../src/base/random.ts'
import { readMarker } from '../../src/recovery/restore/marker.ts'
import { contentsOf } from '../backup/truth.ts'
import type { World } from '../backup/world.ts'
import { addStrangers, damage, openLost, type Lost } from '../restore/in-place/world.ts'
import { recover, requestFor } from '../restore/recovered.ts'
import type { Major } from '../support/postgres.ts'

const wharf = fileURLToPath(new URL('../../src/app/main.ts', import.meta.url))
const preload = fileURLToPath(new URL('kill-at-write.ts', import.meta.url))

export interface KillRecoveries {
  readonly kills: number
  readonly seed: number
  readonly major: Major
  readonly log: (line: string) => void
}

interface Ran {
  readonly code: number | null
  readonly killed: boolean
  readonly stderr: string
}

class Recovering {
  readonly world: World
  private readonly flags: readonly string[]

  private constructor(world: World, flags: readonly string[]) {
    this.world = world
    this.flags = flags
  }

  static async on(world: World): Promise<Recovering> {
    const { repositoryPath, passphraseFile } = await requestFor(world, {})
    const flags = [
      '--repository-path',
      repositoryPath!,
      '--passphrase-file',
      passphraseFile!,
      '--yes',
      '--workers',
      '2',
    ]
    return new Recovering(world, [...flags, '--home', join(world.folder, 'cli-home')])
  }

  /** `wharf recover run retail --latest …` as a process of its own. */
  async run(more: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const child = spawn(
      process.execPath,
      ['--import', preload, wharf, 'recover', 'run', 'retail', '--latest', ...more, ...this.flags],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } },
    )
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
      child.on('close', (code, signal) => resolve([code, signal])),
    )
    return { code, killed: signal === 'SIGKILL', stderr }
  }

  async whole(more: readonly string[]): Promise<void> {
    const ran = await this.run(more)
    assert.equal(ran.code, 0, ran.stderr)
  }

  /** How many changes all threads make together, about: no thread makes as many. */
  async changes(more: readonly string[]): Promise<number> {
    const counter = join(this.world.folder, 'changes')
    await rm(counter, { force: true })
    const ran = await this.run(more, { WHARF_TEST_COUNT_INTO: counter })
    assert.equal(ran.code, 0, ran.stderr)
    return (await stat(counter)).size
  }
}

/** A damaged cluster, recovered in place again and again from the same state. */
export async function killInPlace({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random = seededRandom(seed)
  await using lost = await openLost(major)
  const { world, directory } = lost
  await damage(directory, random)
  await addStrangers(directory)
  const recovering = await Recovering.on(world)
  const saved = join(world.folder, 'saved')
  for (const folder of foldersOf(lost)) await copyTree(folder, join(saved, nameOf(folder)))
  const more = ['--in-place', directory]
  const changes = await recovering.changes(more)
  const wanted = await treeOf(lost)
  let killed = 0
  for (let turn = 0; turn < kills; turn++) {
    for (const folder of foldersOf(lost)) {
      await rm(folder, { recursive: true, force: true })
      await copyTree(join(saved, nameOf(folder)), folder)
    }
    const at = 1 + random.integer(Math.ceil(changes * 0.6))
    const ran = await recovering.run(more, { WHARF_TEST_KILL_AT: String(at) })
    if (ran.killed) killed++
    await cannotStart(directory, ran)
    await recovering.whole(more)
    assert.deepEqual(await treeOf(lost), wanted, `killed at change ${at}`)
    log(`in place, ${major}: killed at change ${at} of ${changes}: ${ran.killed ? 'completed' : 'had ended'}`)
  }
  assert.ok(killed > 0 || kills < 3, 'at least one was killed')
  await using recovered = await recover(world, { latest: true, inPlace: true, toDirectory: directory, set: {} })
  assert.deepEqual(await contentsOf(recovered.asServer), lost.contents)
}

/** Into a new folder, beside the live server, whose files and tablespaces stay as they are. */
export async function killFresh({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random: Random = seededRandom(seed)
  await using lost = await openLost(major)
  const { world } = lost
  await world.server.start()
  const before = await contentsOf(world.server)
  const recovering = await Recovering.on(world)
  const reference = join(world.folder, 'reference')
  const changes = await recovering.changes(['--to-directory', reference])
  const wanted = await hashesBelow(reference)
  let killed = 0
  for (let turn = 0; turn < kills; turn++) {
    const directory = join(world.folder, `fresh-${turn}`)
    const more = ['--to-directory', directory]
    const at = 1 + random.integer(Math.ceil(changes * 0.6))
    const ran = await recovering.run(more, { WHARF_TEST_KILL_AT: String(at) })
    if (ran.killed) killed++
    await cannotStart(directory, ran)
    const begun = (await readMarker(directory))?.state
    if (begun !== 'restored') await recovering.whole(begun === 'restoring' ? [...more, '--resume'] : more)
    assert.deepEqual(await hashesBelow(directory), wanted, `killed at change ${at}`)
    await rm(directory, { recursive: true })
    log(`new folder, ${major}: killed at change ${at} of ${changes}: ${ran.killed ? 'completed' : 'had ended'}`)
  }
  assert.ok(killed > 0 || kills < 3, 'at least one was killed')
  assert.deepEqual(await contentsOf(world.server), before)
}

/** Either nothing was touched, or nothing can be started, or all is done. */
async function cannotStart(directory: string, ran: Ran): Promise<void> {
  if (!ran.killed) return
  const state = (await readMarker(directory))?.state
  const control = existsSync(join(directory, 'global', 'pg_control'))
  if (state !== 'restoring' || !control) return
  // The last change: pg_control is in its place, the marker does not say so yet. Then everything else is.
  const labelled = existsSync(join(directory, 'backup_label')) && existsSync(join(directory, 'recovery.signal'))
  const untouched = existsSync(join(directory, 'base', '99999'))
  assert.ok(labelled || untouched, 'a cluster with pg_control is whole, or was not touched')
}

function foldersOf({ directory, tablespace }: Lost): readonly string[] {
  return [directory, tablespace, tablespace.replace('old-space', 'fresh-space')]
}

function nameOf(path: string): string {
  return path.split('/').at(-1)!
}

async function copyTree(from: string, to: string): Promise<void> {
  execFileSync('mkdir', ['-p', join(to, '..')])
  execFileSync('cp', ['-a', from, to])
}

async function treeOf(lost: Lost): Promise<Readonly<Record<string, string>>> {
  const all: Record<string, string> = {}
  for (const folder of foldersOf(lost))
    for (const [name, hash] of Object.entries(await hashesBelow(folder))) all[`${nameOf(folder)}/${name}`] = hash
  return all
}

/** Ports, ids of recoveries and options with keys differ from run to run. */
const volatile = /^(wharf-recovery\.json|wharf-wal-get\.(json|sh)|postgresql\.(auto\.)?conf)$/

/** Kind, mode, and content of everything. */
async function hashesBelow(folder: string): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  for (const name of (await readdir(folder, { recursive: true })).toSorted()) {
    const path = join(folder, name)
    const about = await lstat(path)
    const mode = (about.mode & 0o777).toString(8)
    if (about.isSymbolicLink()) found[name] = `link to ${await readlink(path)}`
    else if (about.isDirectory()) found[name] = `folder ${mode}`
    else if (!volatile.test(name))
      found[name] = `${mode} ${about.uid} ${about.size} ${createHash('sha1')
        .update(await readFile(path))
        .digest('hex')}`
  }
  return found
}
