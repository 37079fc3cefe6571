import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import fc from 'fast-check'

import { isWharfError } from '../../base/errors.ts'
import type { ObjectStore } from '../contract.ts'
import { KeyRing, type KeyRingSeed } from '../keys/ring.ts'
import { readDirectory, readObject, type ReadOptions } from './decode.ts'
import { encodeObject } from './encode.ts'
import { HEAD_BYTES } from './head.ts'
import type { Section } from './section.ts'

const signal = new AbortController().signal
const seeds: Record<string, KeyRingSeed> = {
  sealed: {
    repositoryId: '0123456789abcdef0123456789abcdef',
    sealing: 'aes-256-gcm',
    dataKeys: [{ number: 1, key: randomBytes(32) }],
  },
  plain: { repositoryId: '0123456789abcdef0123456789abcdef', sealing: 'none', dataKeys: [] },
}

/** One object in memory, under any name. */
function holding(bytes: Buffer): ObjectStore {
  return {
    abilities: { versions: false, objectLock: false },
    get: async (_: string, { offset = 0, length = bytes.length }: { offset?: number; length?: number }) =>
      Buffer.from(bytes.subarray(offset, offset + length)),
  } as unknown as ObjectStore
}

function options(bytes: Buffer, seed: KeyRingSeed): ReadOptions {
  return { store: holding(bytes), ring: new KeyRing(seed), signal }
}

const section = (plain: Buffer, label = ''): Section => ({ type: 'extent', label: Buffer.from(label), plain })
const name = 'wal/1/00000001/00000000/x'

for (const [kind, seed] of Object.entries(seeds)) {
  test(`${kind}: any sections come back as they went in`, async () => {
    const plain = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.nat(255), fc.nat(100_000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(plain, fc.string({ maxLength: 20 })), { maxLength: 6 }), async (all) => {
        const sections = all.map(([bytes, label]) => section(Buffer.from(bytes), label))
        const bytes = Buffer.concat(encodeObject(new KeyRing(seed), { name, kind: 'wal' }, sections))
        const read = await readObject(name, 'wal', options(bytes, seed))
        assert.deepEqual(
          read.map(({ type, label, plain }) => ({ type, label: label.toString(), plain: plain.toString('hex') })),
          sections.map(({ type, label, plain }) => ({ type, label: label.toString(), plain: plain.toString('hex') })),
        )
        const { entries } = await readDirectory(name, 'wal', { ...options(bytes, seed), objectBytes: bytes.length })
        assert.deepEqual(
          entries.map((one) => one.offset),
          read.map((one) => one.offset),
        )
      }),
      { numRuns: 60 },
    )
  })

  test(`${kind}: every single flipped byte, every cut and every added byte is found`, async () => {
    const sections = [
      section(Buffer.from('short'), 'a'),
      section(Buffer.alloc(5000, 7), 'b'),
      section(randomBytes(200)),
    ]
    const good = Buffer.concat(encodeObject(new KeyRing(seed), { name, kind: 'wal' }, sections))
    await readObject(name, 'wal', options(good, seed))
    const refused = (error: unknown) =>
      isWharfError(error, 'repository.damaged-object') && error.message.startsWith(`${name} is damaged: `)
    for (let at = 0; at < good.length; at++) {
      for (const mask of [1, 0x80, 0xff]) {
        const bytes = Buffer.from(good)
        bytes[at]! ^= mask
        await assert.rejects(readObject(name, 'wal', options(bytes, seed)), refused, `byte ${at} xor ${mask}`)
      }
    }
    for (let length = 0; length < good.length; length++) {
      await assert.rejects(
        readObject(name, 'wal', options(good.subarray(0, length), seed)),
        refused,
        `cut to ${length}`,
      )
    }
    await assert.rejects(readObject(name, 'wal', options(Buffer.concat([good, Buffer.alloc(1)]), seed)), refused)
    await assert.rejects(readObject(name, 'wal', options(Buffer.concat([good, good]), seed)), refused)
  })

  test(`${kind}: sections of one object do not open in another, nor under another name, nor in another order`, async () => {
    const ring = new KeyRing(seed)
    const make = () =>
      Buffer.concat(
        encodeObject(ring, { name, kind: 'wal' }, [section(Buffer.alloc(40, 1)), section(Buffer.alloc(40, 2))]),
      )
    const [one, other] = [make(), make()]
    await assert.rejects(readObject(`${name}y`, 'wal', options(one, seed)), (error) =>
      isWharfError(error, 'repository.damaged-object'),
    )
    await assert.rejects(readObject(name, 'pack', options(one, seed)), (error) =>
      isWharfError(error, 'repository.damaged-object'),
    )
    const [first, second] = await readObject(name, 'wal', options(one, seed))
    assert.equal(first!.storedBytes, second!.storedBytes)
    const swapped = Buffer.from(one)
    second!.frame.copy(swapped, first!.offset)
    first!.frame.copy(swapped, second!.offset)
    await assert.rejects(readObject(name, 'wal', options(swapped, seed)), (error) =>
      isWharfError(error, 'repository.damaged-object'),
    )
    const mixed = Buffer.concat([one.subarray(0, HEAD_BYTES), other.subarray(HEAD_BYTES)])
    await assert.rejects(readObject(name, 'wal', options(mixed, seed)), (error) =>
      isWharfError(error, 'repository.damaged-object'),
    )
  })
}

test('nothing of content or labels can be seen in a sealed object', () => {
  const secret = 'customer-name-4711 '
  const sections = [section(Buffer.from(secret)), section(Buffer.from(secret.repeat(100)), secret)]
  const sealed = Buffer.concat(encodeObject(new KeyRing(seeds['sealed']!), { name, kind: 'wal' }, sections))
  assert.equal(sealed.includes('customer'), false)
  const open = Buffer.concat(encodeObject(new KeyRing(seeds['plain']!), { name, kind: 'wal' }, sections))
  assert.equal(open.includes('customer'), true, 'the same search finds it where nothing is sealed')
})

test('the same content is sealed by another key each time', () => {
  const make = () =>
    Buffer.concat(encodeObject(new KeyRing(seeds['sealed']!), { name, kind: 'wal' }, [section(Buffer.alloc(64, 1))]))
  assert.notDeepEqual(make().subarray(HEAD_BYTES), make().subarray(HEAD_BYTES))
})

test('a version that is not known is refused by name, with what to try', async () => {
  const { crc32c } = await import('@node-rs/crc32')
  const bytes = Buffer.concat(encodeObject(new KeyRing(seeds['plain']!), { name, kind: 'wal' }, []))
  bytes[8] = 2
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 108)), 108)
  await assert.rejects(readObject(name, 'wal', options(bytes, seeds['plain']!)), (error) => {
    assert.ok(isWharfError(error, 'repository.unknown-format'))
    assert.equal(error.message, `${name} is of a kind that this wharf does not know: version 2`)
    return error.hint === 'a newer wharf wrote it: update this one'
  })
})
