import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'

import { MIB } from '../../base/units.ts'
import type { ObjectStore } from '../contract.ts'
import { KeyRing } from '../keys/ring.ts'
import { PIECE_BYTES, putPiece } from './content.ts'

const signal = new AbortController().signal

/** Answers at once: nothing but the code itself gives others a turn. */
function instantStore(): ObjectStore & { readonly stored: Map<string, Buffer> } {
  const stored = new Map<string, Buffer>()
  return {
    stored,
    abilities: { versions: false, objectLock: false },
    stat: async () => undefined,
    put: async (name: string, chunks: readonly Buffer[]) => void stored.set(name, Buffer.concat(chunks)),
    create: async (name: string) => {
      const chunks: Buffer[] = []
      return {
        write: async (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk)),
        finish: async () => void stored.set(name, Buffer.concat(chunks)),
        abandon: async () => {},
      }
    },
  } as unknown as ObjectStore & { readonly stored: Map<string, Buffer> }
}

test('while a piece is stored others come to their turn: a worker must renew its lease', async () => {
  const store = instantStore()
  const dataKeys = [{ number: 1, key: randomBytes(32) }]
  const ring = new KeyRing({ repositoryId: '0'.repeat(32), sealing: 'aes-256-gcm', dataKeys })
  let [turns, isStoring] = [0, true]
  const others = (async () => {
    while (isStoring) {
      await setImmediate()
      turns++
    }
  })()
  const piece = await putPiece(randomBytes(PIECE_BYTES), { store, ring, signal, isDead: () => false })
  isStoring = false
  await others
  assert.ok(store.stored.has(piece.object))
  assert.ok(turns >= PIECE_BYTES / MIB, `${turns} turns`)
})
