// Kept loads: stored once by content, expired when no recovery can need them, found when damaged, brought back from another repository.
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { seededRandom } from '../../src/base/random.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import type { KeptContent, Repository } from '../../src/repository/contract.ts'
import { copyBackup } from '../../src/repository/copy.ts'
import { copyKept } from '../../src/repository/kept/copy.ts'
import { healFindings } from '../../src/repository/heal/heal.ts'
import { reviveBackup } from '../../src/repository/prune.ts'
import type { StoredRepository } from '../../src/repository/stored.ts'
import { keepSample } from '../support/sample-kept.ts'
import { DAY, GRACE, PruneWorld, signal } from './world.ts'

const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))
const ids = async (repository: Repository): Promise<string[]> =>
  (await repository.kept.list('dw', signal)).map((one) => one.id).toSorted()

async function plainOf(repository: Repository, content: KeptContent): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of repository.kept.read(content, signal)) parts.push(part)
  return Buffer.concat(parts)
}

async function inputOf(repository: Repository, id: string): Promise<Buffer> {
  const load = (await repository.kept.list('dw', signal)).find((one) => one.id === id)!
  const step = load.steps.find((one) => one.kind === 'copy')!
  return await plainOf(repository, step.content)
}

test(`contents come back as they were, equal ones are stored once, and any flipped byte is found (seed ${seed})`, async () => {
  const random = seededRandom(seed)
  for (const encrypted of [true, false]) {
    await using world = await PruneWorld.open({ encrypted, seed })
    const repository = await world.repository()
    // Over the edge of a piece.
    const input = Buffer.concat([Buffer.alloc(16 * 1024 * 1024, 'wharf'), random.bytes(50_000)])
    await keepSample(repository, { id: '20260101T000000Z-00000001' }, input)
    const before = await world.names('inputs/')
    assert.equal(before.length, 3, 'two pieces of the copy and the script')
    await keepSample(repository, { id: '20260101T000000Z-00000002', lsn: 0x200n }, input)
    assert.deepEqual(await world.names('inputs/'), before)
    for (const id of await ids(repository)) assert.ok((await inputOf(repository, id)).equals(input))
    const store = await world.store()
    const check = async () => (await checkRepository({ store, unlock: world.unlock, depth: 'all', signal })).findings
    assert.deepEqual(await check(), [])
    for (const name of [
      ...before.toSorted((one, other) => one.length - other.length),
      ...(await world.names('loads/')),
    ]) {
      const path = join(world.path, name)
      const bytes = await readFile(path)
      const flipped = Buffer.from(bytes)
      flipped[random.integer(bytes.length)]! ^= 1 << random.integer(8)
      await rm(path)
      await writeFile(path, flipped)
      assert.ok(
        (await check()).some((one) => one.object === name),
        name,
      )
      await writeFile(path, bytes)
    }
    // What is damaged is not built upon: the next one gets a place of its own.
    const [victim] = before
    const whole = await readFile(join(world.path, victim!))
    await writeFile(join(world.path, victim!), Buffer.from(whole).fill(0, whole.length - 100))
    await keepSample(repository, { id: '20260101T000000Z-00000003', lsn: 0x300n }, input)
    assert.ok((await world.names('inputs/')).includes(victim!.replace(/-1$/, '-2')))
    assert.ok((await inputOf(repository, '20260101T000000Z-00000003')).equals(input))
  }
})

test('a kept load goes when no backup that stays is older; one of an unlogged table when a later one has replaced it', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 3)
  const at = (index: number): { id: string; keptMs: number } => {
    const id = `${all[index]!.id.slice(0, 8)}T120000Z-0000000${index}`
    return { id, keptMs: Date.UTC(2026, 0, index + 1, 12) }
  }
  const [logs, first, second, third] = [`${at(0).id}-l`, at(0), at(1), at(2)]
  const unloggedAt = (lsn: bigint, previous: string | null) => ({ lsn, follows: { 'stage.a': previous } })
  await keepSample(
    repository,
    { ...first, id: logs, lsn: 0x90n, unlogged: [], alsoLogged: ['core.a'] },
    Buffer.from('log'),
  )
  await keepSample(repository, { ...first, ...unloggedAt(0x100n, null) }, Buffer.from('first'))
  await keepSample(
    repository,
    { ...second, ...unloggedAt(0x200n, first.id), replaces: ['stage.a'] },
    Buffer.from('second'),
  )

  world.clock.nowMs += 2 * DAY
  await world.mark(repository, [])
  assert.deepEqual(await ids(repository), [first.id, logs, second.id].toSorted(), 'nothing has expired')
  await world.mark(repository, all.slice(0, 1))
  assert.deepEqual(await ids(repository), [first.id, second.id], 'the logged one is older than all that stays')
  await reviveBackup(repository, all[0]!.id, { by: 'me', reason: 'audit', signal })
  assert.deepEqual(await ids(repository), [first.id, logs, second.id].toSorted(), 'it comes back with its backup')

  await world.mark(repository, all.slice(0, 2))
  assert.deepEqual(await ids(repository), [first.id, second.id], 'nobody knows yet whether the second committed')
  await keepSample(repository, { ...third, ...unloggedAt(0x300n, second.id) }, Buffer.from('third'))
  await world.mark(repository, all.slice(0, 2))
  assert.deepEqual(await ids(repository), [second.id, third.id], 'the third found it in the journal')
  world.clock.nowMs += GRACE
  const swept = await world.sweep(repository)
  assert.deepEqual(swept.left, [])
  assert.deepEqual(await ids(repository), [second.id, third.id])
  assert.equal((await world.names('loads/')).length, 2)
  assert.equal((await world.names('inputs/')).length, 3, 'two inputs and the script that both share')
  for (const [id, text] of [
    [second.id, 'second'],
    [third.id, 'third'],
  ] as const)
    assert.equal(String(await inputOf(repository, id)), text)
  // Pieces of a load that was killed before its head.
  await using writer = await repository.kept.begin({ warehouse: 'dw', purpose: 'test', signal })
  const content = writer.content()
  await content.write(Buffer.from('lost'))
  await content.finish()
  assert.equal((await world.mark(repository, [])).garbage, 0)
  await writer[Symbol.asyncDispose]()
  world.clock.nowMs += 10 * DAY
  assert.equal((await world.mark(repository, [])).garbage, 1)
})

test('a copy of a backup brings the kept loads that it may need; what is damaged comes back from it', async () => {
  await using one = await PruneWorld.open({ seed: 1 })
  await using two = await PruneWorld.open({ seed: 2, encrypted: false })
  const [from, to] = [await one.repository(), await two.repository()]
  const [backup] = await one.chain(from, 1)
  const id = `${backup!.id.slice(0, 8)}T120000Z-00000001`
  const input = Buffer.from('5\tfive\n')
  await keepSample(from, { id }, input)
  // WAL of these backups does not exist: the loads alone are looked at.
  await copyBackup({ from, to, id: backup!.id, wal: 'all', signal }).catch(() => {})
  const parties = { from: from as StoredRepository, to: to as StoredRepository, signal }
  assert.ok((await copyKept(parties, backup!)) <= 1)
  assert.deepEqual(await ids(to), [id])
  assert.ok((await inputOf(to, id)).equals(input))
  const store = await one.store()
  const check = async () => (await checkRepository({ store, unlock: one.unlock, depth: 'all', signal })).findings
  const damageAndHeal = async (prefixes: readonly string[]): Promise<void> => {
    for (const prefix of prefixes)
      for (const name of await one.names(prefix)) await writeFile(join(one.path, name), 'rubbish')
    const findings = await check()
    assert.ok(findings.length > 0)
    const healed = await healFindings(findings, { to: parties.from, from: parties.to, signal })
    assert.ok(
      healed.every((each) => each.state === 'healed'),
      JSON.stringify(healed),
    )
    assert.deepEqual(await check(), [])
    assert.ok((await inputOf(from, id)).equals(input))
  }
  for (const prefix of ['inputs/', 'loads/']) await damageAndHeal([prefix])
  // Both at once: neither tells what the other was.
  await damageAndHeal(['inputs/', 'loads/', 'healed/'])
})

test('who withdraws one load leaves those that the same task has committed before it', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const [first, second] = ['20260101T000000Z-00000001', '20260101T000000Z-00000002']
  await keepSample(repository, { id: first })
  const [load] = await repository.kept.list('dw', signal)
  await repository.store.remove(`loads/dw/${first}`, { signal })
  await using writer = await repository.kept.begin({ warehouse: 'dw', purpose: 'test', signal })
  await writer.commit({ ...load!, id: first })
  await writer.withdraw(second)
  assert.deepEqual(await ids(repository), [first], 'it failed before its head')
  await writer.commit({ ...load!, id: second })
  await writer.withdraw(second)
  assert.deepEqual(await ids(repository), [first])
})

test('a backup comes back also where it is too late for a load that only an older one needed', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 3)
  const id = `${all[0]!.id.slice(0, 8)}T120000Z-00000001`
  await keepSample(repository, { id, unlogged: [], alsoLogged: ['core.a'] })
  await world.mark(repository, all.slice(0, 1))
  assert.deepEqual(await ids(repository), [])
  world.clock.nowMs += GRACE
  await world.mark(repository, all.slice(1, 2))
  await reviveBackup(repository, all[1]!.id, { by: 'me', reason: 'audit', signal })
  assert.deepEqual(
    (await repository.listBackups(signal)).map((one) => one.id),
    all.slice(1).map((one) => one.id),
  )
})

test('a load that the target of a copy was about to let go stays there for the backup that comes', async () => {
  await using one = await PruneWorld.open({ seed: 1 })
  await using two = await PruneWorld.open({ seed: 2 })
  const [from, to] = [(await one.repository()) as StoredRepository, (await two.repository()) as StoredRepository]
  const [backup] = await one.chain(from, 1)
  const own = await two.chain(to, 2)
  const id = `${own[0]!.id.slice(0, 8)}T120000Z-00000001`
  for (const repository of [from, to]) await keepSample(repository, { id, unlogged: [], alsoLogged: ['core.a'] })
  await two.mark(to, own.slice(0, 1))
  assert.deepEqual(await ids(to), [])
  assert.equal(await copyKept({ from, to, signal }, backup!), 0)
  assert.deepEqual(await ids(to), [id])
  assert.equal(String(await inputOf(to, id)), '1\tone\n')
})
