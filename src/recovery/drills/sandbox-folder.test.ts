import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { sampleEvidence } from '../../../test/support/sample-evidence.ts'
import { systemClock } from '../../base/clock.ts'
import { identityOf } from '../../base/process-identity.ts'
import { unendedDrills, type KnownEvidence } from './marks.ts'
import { sandboxFolder, type SandboxWish } from './sandbox-folder.ts'

const dead = '999999999 1'

async function withHome(work: (home: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'wharf-sandbox-'))
  try {
    await work(home)
  } finally {
    await rm(home, { recursive: true })
  }
}

const known = sampleEvidence({ id: 'killed', host: 'here' })

const open = (home: string, more: Partial<SandboxWish> = {}) =>
  sandboxFolder({
    home,
    host: 'here',
    parent: join(home, 'parent'),
    drill: 'new',
    keep: false,
    known,
    clock: systemClock,
    died: () => Promise.resolve(false),
    ...more,
  })

interface Mark {
  drill: string
  folder: string
  process: string
  host: string
  keep: boolean
  known: KnownEvidence
}

/** A folder with a file in it, and the mark of a drill that says it is its own. */
async function left(home: string, mark: Partial<Mark> & { drill: string; process: string }) {
  const folder = mark.folder ?? join(home, 'parent', mark.drill)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'file'), '')
  await mkdir(join(home, 'drills', 'running'), { recursive: true })
  const content = { host: 'here', ...mark, folder }
  await writeFile(join(home, 'drills', 'running', `${mark.drill}.json`), JSON.stringify(content))
  return folder
}

test('what a killed drill left is removed by the next one', async () => {
  await withHome(async (home) => {
    const folder = await left(home, { drill: 'killed', process: dead })
    await open(home)
    assert.ok(!existsSync(folder))
    assert.deepEqual(await readdir(join(home, 'drills', 'running')), ['new.json'])
  })
})

test('the folder of a drill that runs, of another host, and one that no drill made are left alone', async () => {
  await withHome(async (home) => {
    const folders = [
      await left(home, { drill: 'runs', process: identityOf(process.pid) }),
      await left(home, { drill: 'elsewhere', process: dead, host: 'there' }),
      await left(home, { drill: 'forged', process: dead, folder: join(home, 'precious') }),
    ]
    await open(home)
    assert.deepEqual(
      folders.map((folder) => existsSync(join(folder, 'file'))),
      [true, true, true],
    )
  })
})

test('a sandbox is removed with all that is in it, and one that is kept stays, also after the next drill', async () => {
  await withHome(async (home) => {
    const one = await open(home, { drill: 'one' })
    await mkdir(join(one.path, 'base'), { recursive: true })
    await one.remove()
    assert.ok(!existsSync(one.path))
    const kept = await open(home, { drill: 'kept', keep: true })
    await mkdir(kept.path)
    await kept.forget()
    await open(home)
    assert.ok(existsSync(kept.path))
  })
})

test('of a drill that was killed the next one is told, once, and what it had kept is left', async () => {
  await withHome(async (home) => {
    await left(home, { drill: 'killed', process: dead, known })
    await left(home, { drill: 'old version', process: dead })
    const ended = await left(home, { drill: 'ended', process: dead, keep: true, known: { ...known, id: 'ended' } })
    const host = 'here'
    assert.deepEqual(
      (await unendedDrills(home, host, new Set(['ended']))).map((one) => [one.id, one.state]),
      [['killed', 'interrupted']],
    )
    assert.equal((await unendedDrills(home, 'there', new Set(['ended'])))[0]!.state, 'elsewhere')
    const told: string[] = []
    const died = (one: KnownEvidence): Promise<boolean> => {
      told.push(one.id)
      return Promise.resolve(one.id === 'ended')
    }
    await Promise.all([open(home, { drill: 'new', died }), open(home, { drill: 'newer', died })])
    assert.deepEqual(told.toSorted(), ['ended', 'killed'])
    assert.ok(existsSync(ended))
    assert.deepEqual((await readdir(join(home, 'drills', 'running'))).toSorted(), ['new.json', 'newer.json'])
  })
})

test('where nothing can be kept of a killed drill, that is left to the next one', async () => {
  await withHome(async (home) => {
    const folder = await left(home, { drill: 'killed', process: dead, known })
    await assert.rejects(open(home, { died: () => Promise.reject(new Error('no room')) }), /no room/)
    assert.ok(existsSync(folder))
    assert.deepEqual(await readdir(join(home, 'drills', 'running')), ['killed.json'])
    await open(home)
    assert.ok(!existsSync(folder))
  })
})

test('who was killed while it cleared up after another leaves that to the next one', async () => {
  await withHome(async (home) => {
    const folder = await left(home, { drill: 'killed', process: dead, known })
    const running = join(home, 'drills', 'running')
    const mine = identityOf(process.pid).replace(' ', '.')
    await rename(join(running, 'killed.json'), join(running, `killed.${mine}.json`))
    await open(home)
    assert.ok(existsSync(folder))
    await rename(join(running, `killed.${mine}.json`), join(running, `killed.${dead.replace(' ', '.')}.json`))
    await open(home)
    assert.ok(!existsSync(folder))
    assert.deepEqual(await readdir(running), ['new.json'])
  })
})
