import assert from 'node:assert/strict'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { emptyManifest } from '../../../test/support/sample-manifest.ts'
import { scratchFolder } from '../../../test/support/scratch-repository.ts'
import { systemClock } from '../../base/clock.ts'
import { createContext } from '../../base/context.ts'
import { processEnvironment } from '../../base/environment.ts'
import { isWharfError } from '../../base/errors.ts'
import { silentLog } from '../../base/log.ts'
import type { AnyOperation, OperationContext } from '../../base/operation.ts'
import { systemRandom } from '../../base/random.ts'
import { repositoriesSection } from '../config.ts'
import { repositories } from '../contract.ts'
import { room } from '../room.ts'
import { check } from './check.ts'
import { init } from './init.ts'
import { inspect } from './inspect.ts'
import { list } from './list.ts'
import { show } from './show.ts'
import { stats } from './stats.ts'

const signal = new AbortController().signal

async function contextOf(t: TestContext, home: string, declared: object): Promise<OperationContext> {
  const scope = new AsyncDisposableStack()
  t.after(() => scope.disposeAsync())
  const section = repositoriesSection.schema.parse(declared)
  const parts = {
    clock: systemClock,
    random: systemRandom,
    environment: processEnvironment(),
    log: silentLog,
    home,
    rooms: [room],
  }
  const context = createContext(
    { ...parts, configFile: join(home, 'wharf.yaml'), sections: { repositories: section } },
    scope,
  )
  return { ...context, progress: () => {}, confirm: async () => true, actor: 'test' }
}

/** What the command line prints. */
async function run(operation: AnyOperation, context: OperationContext, input: object = {}): Promise<string> {
  const output: unknown = await operation.run(operation.input.parse(input), context, signal)
  assert.deepEqual(operation.output.parse(output), output, 'the output is what its schema says')
  return operation.text(output)
}

test('from declaring a repository to inspecting what it holds', async (t) => {
  const home = await scratchFolder(t)
  const context = await contextOf(t, home, { main: { path: './backups', encryption: { key_file: 'main.key' } } })
  assert.match(await run(list, context), /^main +file:\S+\/backups +yes +not initialised$/m)
  const made = await run(init, context)
  assert.match(
    made,
    /^repository "main" created at file:\S+\/backups \(id [0-9a-f]{32}\)\na new key was written to \S+\/main\.key\nkeep a copy of it elsewhere: without it nothing in the repository can be read$/,
  )
  assert.equal((await stat(join(home, 'backups'))).mode & 0o777, 0o700)
  assert.equal((await stat(join(home, 'main.key'))).mode & 0o777, 0o600)
  await assert.rejects(run(init, context), (error) => isWharfError(error, 'repository.already-initialised'))
  assert.match(await run(list, context), /^main .* ready$/m)

  const repository = await (await context.use(repositories)).open('main', signal)
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  await backup.commit(emptyManifest(backup.id, 'dw'), signal)
  const running = await repository.beginBackup({ warehouse: 'other', signal })
  const shown = await run(show, context)
  assert.match(shown, /^encrypted +yes \(key-file\)$/m)
  assert.match(shown, new RegExp(`^  ${backup.id}  dw  full  finished 2026-09-21T\\S+$`, 'm'))
  assert.match(shown, new RegExp(`^  ${running.id}  other  running since `, 'm'))
  await running.abandon()
  assert.match(await run(stats, context), /^dw +1 +1 B +3 B +4 B +5 B$/m)
  assert.match(await run(stats, context), /^dw: 4 B stored in 30 days$/m)
  assert.match(
    await run(check, context, { depth: 'all' }),
    /^repository "main" is sound \(all\): \d+ objects, .* 1 backups, 0 WAL chunks$/,
  )

  const secret = (await readFile(join(home, 'main.key'), 'latin1')).slice(-65, -1)
  for await (const { name } of repository.store.list('', { signal })) {
    const text = await run(inspect, context, { object: name })
    assert.match(text, /^object +\S+$/m)
    assert.ok(!text.includes('wrapped') && !text.includes(secret), 'no secrets')
  }
  assert.match(await run(inspect, context, { object: `manifests/dw/${backup.id}` }), /^startLsn +1\/28$/m)
  await assert.rejects(run(inspect, context, { object: 'maps/none' }), (error) =>
    isWharfError(error, 'repository.unknown-object'),
  )
})

test('check exits with findings and names the object', async (t) => {
  const home = await scratchFolder(t)
  const context = await contextOf(t, home, { main: { path: './backups', encryption: 'none' } })
  assert.match(await run(init, context), /not encrypted: whoever can read the folder can read the data$/)
  const repository = await (await context.use(repositories)).open('main', signal)
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  await backup.commit(emptyManifest(backup.id, 'dw'), signal)
  const path = join(home, 'backups', 'manifests', 'dw', backup.id)
  const bytes = await readFile(path)
  bytes[200]! ^= 4
  await writeFile(path, bytes)
  const output = await check.run({ depth: 'structure' }, context, signal)
  assert.equal(check.exit!(output), 'findings')
  assert.deepEqual(output.findings, [
    {
      object: `manifests/dw/${backup.id}`,
      code: 'repository.damaged-manifest',
      message: `manifest manifests/dw/${backup.id} is damaged: the seal of section 0 does not hold`,
      backups: [backup.id],
    },
  ])
  assert.match(
    check.text(output),
    /^repository "main" has 1 findings \(structure; .*\):\n  manifests\/dw\/\S+: manifest /,
  )
})

test('init refuses a file in the way and a key inside the repository, and makes no key beside an old repository', async (t) => {
  const home = await scratchFolder(t)
  await writeFile(join(home, 'file'), '')
  const blocked = await contextOf(t, home, { main: { path: './file', encryption: 'none' } })
  await assert.rejects(run(init, blocked), (error) => isWharfError(error, 'repository.not-a-folder'))
  const inside = await contextOf(t, home, {
    main: { path: './backups', encryption: { key_file: './backups/main.key' } },
  })
  await assert.rejects(run(init, inside), (error) => isWharfError(error, 'repository.key-file-inside'))
  await mkdir(join(home, 'old'))
  await writeFile(join(home, 'old', 'format'), 'something')
  const old = await contextOf(t, home, { main: { path: './old', encryption: { key_file: './main.key' } } })
  await assert.rejects(run(init, old), (error) => isWharfError(error, 'repository.already-initialised'))
  await assert.rejects(stat(join(home, 'main.key')))
})

test('which repository: the only one, the one that is named, or an error', async (t) => {
  const home = await scratchFolder(t)
  const two = await contextOf(t, home, {
    main: { path: 'a', encryption: 'none' },
    second: { path: 'b', encryption: 'none' },
  })
  await assert.rejects(run(show, two), (error) => isWharfError(error, 'repository.which-repository'))
  await assert.rejects(
    run(show, two, { name: 'mian' }),
    (error) => isWharfError(error, 'repository.unknown') && error.hint === 'did you mean "main"?',
  )
  await assert.rejects(run(show, await contextOf(t, home, {})), (error) =>
    isWharfError(error, 'repository.none-declared'),
  )
})

test('the section is strict about keys', () => {
  const message = (encryption: unknown) =>
    repositoriesSection.schema.safeParse({ main: { path: '/x', encryption } }).error !== undefined
  assert.equal(message('none'), false)
  assert.equal(message({ key_file: '/k' }), false)
  for (const wrong of [undefined, 'off', {}, { key_file: '/k', passphrase: 'x' }, { keyfile: '/k' }, true])
    assert.equal(message(wrong), true)
})
