// A backup whose last step fails: it does not look complete, or whoever took it is told that nobody can tell.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { storeErrors } from '../../src/repository/store-errors.ts'
import { FaultyStore, type FaultPlan } from '../support/faulty-store.ts'
import { emptyManifest } from '../support/sample-manifest.ts'
import { reopen, scratchRepository } from '../support/scratch-repository.ts'

const signal = new AbortController().signal

test('a manifest that could not be proven is taken back; where the store does not let go of it, that is said', async (t) => {
  const { path } = await scratchRepository(t)
  const away = storeErrors.unreachable({ location: 'there', reason: 'it is away' })
  let isAway: (call: string, name: string) => boolean = () => false
  const plan: FaultPlan = (call, name) => (isAway(call, name) ? { kind: 'error', error: away } : undefined)
  const repository = await reopen(path, { wrap: (store) => new FaultyStore(store, plan) })
  t.after(() => repository.close())
  const take = async (): Promise<string> => {
    const backup = await repository.beginBackup({ warehouse: 'dw', signal })
    const { id } = backup
    const { packs } = await (await backup.openPackWriter()).finish()
    await backup.finishMaps(packs, signal)
    try {
      await backup.commit({ ...emptyManifest(id, 'dw'), packs: [] }, signal)
    } catch (error) {
      await backup.abandon()
      throw error
    }
    return id
  }
  const listed = async (): Promise<readonly string[]> => (await repository.listBackups(signal)).map((one) => one.id)

  // Written, and then the store cannot say what it holds.
  isAway = (call, name) => call === 'stat' && name.startsWith('manifests/')
  await assert.rejects(take(), { code: away.code, message: away.message })
  isAway = () => false
  assert.deepEqual(await listed(), [])

  isAway = (call, name) => (call === 'stat' || call === 'remove') && name.startsWith('manifests/')
  let told = ''
  await assert.rejects(take(), (error: Error & { code?: string; hint?: string; passing?: boolean }) => {
    told = error.message
    assert.equal(error.code, 'repository.backup-uncertain')
    assert.equal(
      error.hint,
      'its last step failed, and the store did not take it back; where wharf backup list shows it, it is whole; where not, start it again',
    )
    assert.equal(error.passing, true)
    return true
  })
  isAway = () => false
  const [id, ...more] = await listed()
  assert.deepEqual(more, [])
  assert.equal(told, `nobody can tell whether backup ${id} of warehouse "dw" is complete: ${away.message}`)
  await repository.readManifest(id!, signal)

  isAway = () => false
  assert.deepEqual((await listed()).length, 1)
  const third = await take()
  // Within a second ids come in any order.
  assert.deepEqual(new Set(await listed()), new Set([id, third]))
})
