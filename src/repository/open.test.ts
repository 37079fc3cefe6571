import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../base/clock.ts'
import { isWharfError } from '../base/errors.ts'
import type { ExtentRef, Manifest, ManifestFile, MapRef, Repository, SegmentMap } from './contract.ts'
import { initRepository, openRepository } from './open.ts'
import { emptyManifest } from '../../test/support/sample-manifest.ts'
import { openStore } from './stores.ts'
import type { Unlock } from './unlock.ts'
import { openExtentReader, openPackWriter } from './workers.ts'

const signal = new AbortController().signal
const passphrase: Unlock = { by: 'passphrase', passphrase: 'correct horse', scryptCost: 1024 }

async function openNew(
  t: { after(fn: () => Promise<void>): void },
  unlock: Unlock = passphrase,
): Promise<{ repository: Repository; path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-repository-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  const store = await openStore({ kind: 'file', path })
  await initRepository({ store, unlock, signal })
  const repository = await openRepository({
    name: 'main',
    store,
    unlock,
    clock: systemClock,
    holder: 'tester@here',
    signal,
    packPlainBytes: 100_000,
  })
  return { repository, path }
}

for (const unlock of [passphrase, { by: 'none' } satisfies Unlock] as const) {
  test(`a backup written through workers' seeds reads back byte for byte (${unlock.by})`, async (t) => {
    const { repository } = await openNew(t, unlock)
    const backup = await repository.beginBackup({ warehouse: 'dw', signal })
    const writer = await openPackWriter(structuredClone(backup.seed))
    const maps: SegmentMap[] = []
    const originals = new Map<string, Buffer>()
    for (let relation = 0; relation < 5; relation++) {
      const file = `base/5/${16_384 + relation}`
      // Some cannot be compressed: unencrypted they are read as views.
      const rest = relation % 2 === 0 ? randomBytes(8192 * 4) : Buffer.alloc(8192 * 4, relation + 1)
      const bytes = Buffer.concat([randomBytes(8192 * 3), rest])
      originals.set(file, bytes)
      const refs: ExtentRef[] = []
      for (const [first, count] of [
        [0, 4],
        [4, 3],
      ] as const) {
        const blocks = Uint32Array.from({ length: count }, (_, at) => first + at)
        refs.push(await writer.append({ file, blocks, plain: bytes.subarray(first * 8192, (first + count) * 8192) }))
      }
      maps.push({
        file,
        blockCount: 7,
        extents: refs,
        runs: [
          { block: 0, count: 4, extent: 0, place: 0 },
          { block: 4, count: 3, extent: 1, place: 0 },
        ],
      })
    }
    const small = Buffer.from('18\n')
    const smallRef = await writer.append({ file: 'PG_VERSION', blocks: new Uint32Array(0), plain: small })
    const { packs } = await writer.finish()
    assert.ok(packs.length > 1, 'packs roll over')
    const refs: MapRef[] = []
    for (const map of maps) refs.push(await backup.addMap(map, signal))
    const names = async (): Promise<string[]> => {
      const found: string[] = []
      for await (const { name } of repository.store.list('maps/', { signal })) found.push(name)
      return found
    }
    assert.deepEqual(await names(), [], 'no map is an object before its packs are durable')
    await backup.finishMaps(packs, signal)
    assert.deepEqual(await names(), [...new Set(refs.map((ref) => ref.object))])
    const files: ManifestFile[] = maps.map((map, at) => ({
      kind: 'segment',
      path: map.file,
      mode: 0o600,
      modifiedMs: 1_700_000_000_000,
      bytes: 7 * 8192,
      map: refs[at]!,
      storedBy: backup.id,
      imageLsn: 0x1_0000_0028n,
      auditedMs: 1_790_000_000_000,
      auditBlock: 0,
    }))
    const sha256 = createHash('sha256').update(small).digest('hex')
    files.push({
      kind: 'plain',
      path: 'PG_VERSION',
      mode: 0o600,
      modifiedMs: 1_700_000_000_000,
      bytes: 3,
      extents: [smallRef],
      sha256,
    })
    files.sort((one, other) => (one.path < other.path ? -1 : 1))
    const manifest: Manifest = { ...emptyManifest(backup.id, 'dw'), files, packs: packs.map((pack) => pack.id) }
    assert.deepEqual(await repository.listBackups(signal), [])
    assert.equal((await repository.listUnfinished(signal))[0]?.id, backup.id)
    const backwards = { length: 2, [Symbol.iterator]: () => files.toReversed().values() }
    await assert.rejects(backup.commit({ ...manifest, files: backwards }, signal), /is listed after/)
    assert.deepEqual(await repository.listBackups(signal), [])
    await backup.commit(
      { ...manifest, files: { length: files.length, [Symbol.iterator]: () => files.values() } },
      signal,
    )

    assert.deepEqual(
      (await repository.listBackups(signal)).map((one) => one.id),
      [backup.id],
    )
    assert.deepEqual(await repository.listUnfinished(signal), [])
    assert.deepEqual(await repository.readManifest(backup.id, signal), manifest)
    const part = await repository.readManifest(backup.id, signal, { without: ['files', 'packs'] })
    assert.deepEqual(part, { ...manifest, files: [], packs: [] })
    assert.deepEqual(await repository.readMaps(refs, signal), maps)
    for (const direct of [false, true]) {
      const reader = await openExtentReader(structuredClone(repository.readerSeed), { direct })
      // Compared at the end: memory of what was read may not be used again while somebody has it.
      const kept: { plain: Uint8Array; truth: Buffer }[] = []
      for (const map of maps) {
        for (const [number, ref] of map.extents.entries()) {
          for await (const { plain, blocks } of reader.read(ref.pack, [{ ref, file: map.file }], signal)) {
            const run = map.runs[number]!
            const truth = originals.get(map.file)!.subarray(run.block * 8192, (run.block + run.count) * 8192)
            kept.push({ plain, truth })
            assert.equal(blocks[0], run.block)
          }
        }
      }
      assert.ok(kept.length > 1)
      for (const { plain, truth } of kept) assert.ok(truth.equals(plain))
    }
  })
}

test('while a backup of a warehouse is running a second one is refused, one of another warehouse is not', async (t) => {
  const { repository } = await openNew(t)
  const first = await repository.beginBackup({ warehouse: 'dw', signal })
  await assert.rejects(repository.beginBackup({ warehouse: 'dw', signal }), (error) =>
    isWharfError(error, 'repository.busy'),
  )
  const other = await repository.beginBackup({ warehouse: 'other', signal })
  await first.abandon()
  await other.abandon()
  const second = await repository.beginBackup({ warehouse: 'dw', signal })
  await second.abandon()
})

test('a wrong passphrase is refused at open', async (t) => {
  const { repository } = await openNew(t)
  const unlock: Unlock = { by: 'passphrase', passphrase: 'wrong' }
  await assert.rejects(
    openRepository({ name: 'main', store: repository.store, unlock, clock: systemClock, holder: 'x', signal }),
    (error) => isWharfError(error, 'repository.wrong-key'),
  )
})
