import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { testContext } from '../../test/support/context.ts'
import { controlConfig, listedEvents } from '../../test/support/listed-events.ts'
import { emptyManifest } from '../../test/support/sample-manifest.ts'
import { reopen, scratchFolder } from '../../test/support/scratch-repository.ts'
import { initRepository } from '../repository/open.ts'
import { room as repositoryRoom } from '../repository/room.ts'
import { openStore } from '../repository/stores.ts'
import type { TaskExecution } from '../runs/contract.ts'
import { checkTask, repositoryChecks } from './check-schedules.ts'

const signal = new AbortController().signal

test('a check on schedule reads a share; what it finds is alerted and fails the run', async (t) => {
  await using scope = new AsyncDisposableStack()
  const home = await scratchFolder(t)
  const path = join(home, 'main')
  await mkdir(path)
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: { by: 'none' }, signal })
  const { room: control, events } = listedEvents()
  const config = {
    repositories: { main: { path, encryption: 'none', check: { cron: '0 3 * * *', timezone: 'UTC', share: '1' } } },
    control: controlConfig,
  }
  const context = testContext({ home, rooms: [repositoryRoom, control], config }, scope)
  const [schedule, ...others] = repositoryChecks(context)
  assert.equal(others.length, 0)
  const { tasks } = schedule!.request({ nominal: new Date(0) })
  const { input, kind } = tasks[0]!
  assert.deepEqual([kind, input], ['repository check', { repository: 'main', share: '1' }])
  const run = { input, context, progress: () => {} } as unknown as TaskExecution<{ repository: string; share: string }>

  const repository = await reopen(path, { unlock: { by: 'none' } })
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  await backup.commit(emptyManifest(backup.id, 'dw'), signal)
  assert.deepEqual(((await checkTask.execute(run, signal)) as { repository: string }).repository, 'main')
  assert.deepEqual(events, [])
  const manifest = join(path, 'manifests', 'dw', backup.id)
  const bytes = await readFile(manifest)
  bytes[200]! ^= 1
  await writeFile(manifest, bytes)
  await assert.rejects(checkTask.execute(run, signal), (error: Error) => {
    assert.match(error.message, /^the check of repository main found 1 damaged or missing objects: manifest /)
    return true
  })
  assert.deepEqual(
    events.map(({ kind: event, subject, data }) => [event, subject, data['reason'], data['count']]),
    [['backup.alert', 'main', 'repository-damaged', 1]],
  )
})
