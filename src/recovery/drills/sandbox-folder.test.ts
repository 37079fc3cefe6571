import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../../base/clock.ts'
import { identityOf } from '../../base/process-identity.ts'
import { sandboxFolder } from './sandbox-folder.ts'

const dead = '999999999 1'

async function withHome(work: (home: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'wharf-sandbox-'))
  try {
    await work(home)
  } finally {
    await rm(home, { recursive: true })
  }
}

const open = (home: string, drill = 'new') =>
  sandboxFolder({ home, host: 'here', parent: join(home, 'parent'), drill, clock: systemClock })

/** A folder with a file in it, and the mark of a drill that says it is its own. */
async function left(home: string, mark: { drill: string; folder?: string; process: string; host?: string }) {
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
    const one = await open(home, 'one')
    await mkdir(join(one.path, 'base'), { recursive: true })
    await one.remove()
    assert.ok(!existsSync(one.path))
    const kept = await open(home, 'kept')
    await mkdir(kept.path)
    await kept.keep()
    await open(home)
    assert.ok(existsSync(kept.path))
  })
})
