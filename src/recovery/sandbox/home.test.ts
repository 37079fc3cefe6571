import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../../base/clock.ts'
import { processEnvironment } from '../../base/environment.ts'
import { systemRandom } from '../../base/random.ts'
import type { Context } from '../../base/room.ts'
import { DAY_MS } from '../../base/units.ts'
import { newSandboxFolder, sweepSandboxes } from './home.ts'

test('what a dead process of this host left goes; what lives, or may live on another host, stays', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'wharf-home-'))
  t.after(() => rm(home, { recursive: true }))
  const environment = processEnvironment()
  const context = { home, environment, clock: systemClock, random: systemRandom } as unknown as Context
  const own = await newSandboxFolder(context)
  await mkdir(own)
  const all = join(home, 'sandboxes')
  const [living] = await readdir(all)
  const dead = '20261129T120000Z-00000001.999999999.1'
  const elsewhere = `${dead}.0123abcd`
  const mark = living!.split('.').at(-1)
  for (const name of [dead, `${dead}.${mark}`, elsewhere]) await mkdir(join(all, name, 'data'), { recursive: true })
  await sweepSandboxes(all, context)
  assert.deepEqual(new Set(await readdir(all)), new Set([elsewhere, living]))
  // Of a container that is long gone.
  const old = new Date(systemClock.now() - 8 * DAY_MS)
  await utimes(join(all, elsewhere), old, old)
  await sweepSandboxes(all, context)
  assert.deepEqual(await readdir(all), [living])
})
