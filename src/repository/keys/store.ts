// The format object, key slots and data keys of a repository: made at init, read at open.
import { z } from 'zod'

import { systemRandom } from '../../base/random.ts'
import type { ObjectStore } from '../contract.ts'
import { errors } from '../errors.ts'
import { keyErrors } from '../key-errors.ts'
import { storeErrors } from '../store-errors.ts'
import { damaged } from '../object/decode.ts'
import { withVersions } from '../object/versions.ts'
import type { Unlock } from '../unlock.ts'
import { decodePlain, encodePlain, type PlainKind } from './plain.ts'
import type { KeyRingSeed } from './ring.ts'
import {
  associated,
  makeSlot,
  SLOT_PREFIX,
  slotKindOf,
  slotOpener,
  slotSchema,
  type KeySlot,
  type Opener,
} from './slots.ts'
import { hexSchema, unwrapKey, wrapKey, wrappedSchema } from './wrap.ts'

export const FORMAT_OBJECT = 'format'
const formatSchema = z.strictObject({
  repository: hexSchema(16),
  sealing: z.enum(['none', 'aes-256-gcm']),
  createdMs: z.number().int(),
})
export type FormatObject = z.infer<typeof formatSchema>

const dataKeySchema = z.strictObject({ number: z.number().int().min(1).max(99_999_999), wrapped: wrappedSchema })
export type DataKeyObject = z.infer<typeof dataKeySchema>

const DATA_PREFIX = 'keys/data-'
export const dataKeyName = (number: number) => `${DATA_PREFIX}${String(number).padStart(8, '0')}`

export interface StoreAt {
  readonly store: ObjectStore
  readonly signal: AbortSignal
}

export async function readFormat({ store, signal }: StoreAt): Promise<FormatObject> {
  const info = await store.stat(FORMAT_OBJECT, { signal })
  if (!info) throw errors.notInitialised({ location: store.location })
  return readPlain({ kind: 'format', name: FORMAT_OBJECT, schema: formatSchema }, { store, signal })
}

function readPlain<T>(at: { kind: PlainKind; name: string; schema: z.ZodType<T> }, from: StoreAt): Promise<T> {
  return withVersions(at.name, from, async (store) =>
    decodePlain(await store.get(at.name, { signal: from.signal }), at),
  )
}

export async function readSlot(name: string, { store, signal }: StoreAt): Promise<KeySlot> {
  const slot = await readPlain({ kind: 'repository-key', name, schema: slotSchema }, { store, signal })
  if (name !== `${SLOT_PREFIX}${slot.slot}`) throw damaged(name, `it is slot ${slot.slot} under another name`)
  return slot
}

export async function readDataKey(name: string, { store, signal }: StoreAt): Promise<DataKeyObject> {
  const key = await readPlain({ kind: 'data-key', name, schema: dataKeySchema }, { store, signal })
  if (name !== dataKeyName(key.number)) throw damaged(name, `it is data key ${key.number} under another name`)
  return key
}

/** Names of key objects, slots and data keys apart. */
export async function listKeys({
  store,
  signal,
}: StoreAt): Promise<{ slots: string[]; dataKeys: string[]; others: string[] }> {
  const found = { slots: [] as string[], dataKeys: [] as string[], others: [] as string[] }
  for await (const { name } of store.list('keys/', { signal })) {
    if (name.startsWith(SLOT_PREFIX)) found.slots.push(name)
    else if (name.startsWith(DATA_PREFIX)) found.dataKeys.push(name)
    else if (!name.startsWith('keys/prune-')) found.others.push(name)
  }
  return found
}

/** Durable when it resolves. The format object comes last: without it there is no repository. */
export async function createKeys(at: StoreAt, unlock: Unlock, createdMs: number): Promise<KeyRingSeed> {
  const repositoryId = systemRandom.bytes(16).toString('hex')
  const put = (name: string, bytes: Buffer) => at.store.put(name, [bytes], { signal: at.signal, durable: true })
  const sealing = unlock.by === 'none' ? 'none' : 'aes-256-gcm'
  const dataKeys: { number: number; key: Buffer }[] = []
  if (unlock.by !== 'none') {
    const repositoryKey = systemRandom.bytes(32)
    const slot = await makeSlot(repositoryId, repositoryKey, { unlock, signal: at.signal })
    await put(`${SLOT_PREFIX}${slot.slot}`, encodePlain('repository-key', slot))
    const key = systemRandom.bytes(32)
    const name = dataKeyName(1)
    const wrapped = wrapKey(repositoryKey, key, associated(name, repositoryId, { number: 1 }))
    await put(name, encodePlain('data-key', { number: 1, wrapped }))
    dataKeys.push({ number: 1, key })
  }
  await put(
    FORMAT_OBJECT,
    encodePlain('format', { repository: repositoryId, sealing, createdMs } satisfies FormatObject),
  )
  return { repositoryId, sealing, dataKeys }
}

/** Rejects with `repository.not-initialised`, `.encryption-mismatch`, `.no-key-slot`, `.wrong-key`, `.damaged-object`. */
export async function openKeys(at: StoreAt, unlock: Unlock): Promise<KeyRingSeed & { readonly createdMs: number }> {
  const format = await readFormat(at)
  const encrypted = format.sealing !== 'none'
  const location = at.store.location
  if (encrypted !== (unlock.by !== 'none')) throw keyErrors.encryptionMismatch({ location, encrypted })
  const base = { repositoryId: format.repository, sealing: format.sealing, createdMs: format.createdMs }
  if (unlock.by === 'none') return { ...base, dataKeys: [] }
  const names = await listKeys(at)
  const { key: repositoryKey } = await openSlots(at, { unlock, names: names.slots, repositoryId: format.repository })
  const dataKeys: { number: number; key: Buffer }[] = []
  for (const name of names.dataKeys) {
    const { wrapped, ...facts } = await readDataKey(name, at)
    const key = unwrapKey(repositoryKey, wrapped, associated(name, format.repository, facts))
    if (!key) throw damaged(name, 'the repository key does not open it')
    dataKeys.push({ number: facts.number, key })
  }
  if (dataKeys.length === 0) throw storeErrors.objectMissing({ name: dataKeyName(1), location })
  return { ...base, dataKeys }
}

/** The repository key, with the slot that gave it. Rejects as openKeys() does. */
export async function openRepositoryKey(at: StoreAt, unlock: Opener): Promise<{ key: Buffer; slot: KeySlot }> {
  const { repository } = await readFormat(at)
  return openSlots(at, { unlock, names: (await listKeys(at)).slots, repositoryId: repository })
}

async function openSlots(
  at: StoreAt,
  wanted: { unlock: Opener; names: readonly string[]; repositoryId: string },
): Promise<{ key: Buffer; slot: KeySlot }> {
  const { unlock, names, repositoryId } = wanted
  const open = slotOpener(repositoryId, unlock, at.signal)
  let tried = false
  let failure: unknown
  for (const name of names) {
    let slot: KeySlot
    try {
      slot = await readSlot(name, at)
    } catch (error) {
      // Another slot may open; a damaged one is told only where none does (and by check always).
      failure ??= error
      continue
    }
    if (slot.by !== slotKindOf(unlock)) continue
    tried = true
    try {
      const key = await open(slot)
      if (key) return { key, slot }
    } catch (error) {
      // A wrapper refuses what another one wrapped.
      if (unlock.by !== 'wrapper' || at.signal.aborted) throw error
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  const params = { location: at.store.location, by: unlock.by }
  throw tried ? keyErrors.wrongKey(params) : keyErrors.noKeySlot(params)
}
