// Slots added and removed, data keys begun. Every step leaves a repository that opens with the old key or with the new one: a new object is durable and
// tried before an old one goes.
import { systemRandom } from '../../base/random.ts'
import { keyErrors as errors } from '../key-errors.ts'
import { encodePlain } from './plain.ts'
import { associated, makeSlot, SLOT_PREFIX, slotOpener, type KeySlot, type Opener } from './slots.ts'
import { dataKeyName, listKeys, openRepositoryKey, readDataKey, readFormat, readSlot, type StoreAt } from './store.ts'
import { wrapKey } from './wrap.ts'

export interface ListedSlot {
  readonly slot: string
  readonly by: KeySlot['by']
  readonly addedMs: number
  /** Whether what wharf.yaml says opens it. */
  readonly isOurs: boolean
}

export interface ListedKeys {
  readonly slots: readonly ListedSlot[]
  readonly dataKeys: readonly { readonly number: number; readonly addedMs: number }[]
}

export async function listSlots(at: StoreAt, unlock: Opener): Promise<ListedKeys> {
  const { repository } = await readFormat(at)
  const names = await listKeys(at)
  const open = slotOpener(repository, unlock, at.signal)
  const slots: ListedSlot[] = []
  for (const name of names.slots) {
    const slot = await readSlot(name, at)
    // One that belongs to another program or passphrase makes a wrapper fail: then it is not ours.
    const key = await open(slot).catch(() => undefined)
    slots.push({ slot: slot.slot, by: slot.by, addedMs: await addedMs(name, at), isOurs: key !== undefined })
  }
  const dataKeys: { number: number; addedMs: number }[] = []
  for (const name of names.dataKeys)
    dataKeys.push({ number: (await readDataKey(name, at)).number, addedMs: await addedMs(name, at) })
  return { slots, dataKeys }
}

async function addedMs(name: string, { store, signal }: StoreAt): Promise<number> {
  return (await store.stat(name, { signal }))?.modifiedMs ?? 0
}

/** Rejects as opening does. The new slot is durable and has been opened when it resolves. */
export async function addSlot(at: StoreAt, unlock: Opener, added: Opener): Promise<KeySlot> {
  const { repository } = await readFormat(at)
  const { key } = await openRepositoryKey(at, unlock)
  const slot = await makeSlot(repository, key, { unlock: added, signal: at.signal })
  const name = `${SLOT_PREFIX}${slot.slot}`
  await at.store.put(name, [encodePlain('repository-key', slot)], { signal: at.signal, durable: true })
  const opened = await slotOpener(repository, added, at.signal)(await readSlot(name, at))
  if (!opened?.equals(key)) {
    await at.store.remove(name, { signal: at.signal })
    throw errors.slotDoesNotOpen({ location: at.store.location, by: added.by })
  }
  return slot
}

/** Rejects with `repository.unknown-slot`, or `.last-slot` where no other slot can be read. */
export async function removeSlot(at: StoreAt, slot: string): Promise<void> {
  const name = `${SLOT_PREFIX}${slot}`
  const { slots } = await listKeys(at)
  if (!slots.includes(name)) throw errors.unknownSlot({ slot, location: at.store.location })
  const last = errors.lastSlot({ slot, location: at.store.location })
  if (!(await hasOther(at, name, slots))) throw last
  const removed = await at.store.get(name, { signal: at.signal })
  await at.store.remove(name, { signal: at.signal })
  // Somebody may have removed the other one at the same time. Each of the two looks after its own removal: the later one sees it.
  if (!(await hasOther(at, name, (await listKeys(at)).slots))) {
    await at.store.put(name, [removed], { signal: at.signal, durable: true })
    throw last
  }
  await at.store.barrier({ signal: at.signal })
}

/** Whether a slot beside that one can be read. */
async function hasOther(at: StoreAt, name: string, slots: readonly string[]): Promise<boolean> {
  for (const other of slots) {
    if (other === name) continue
    if (
      await readSlot(other, at).then(
        () => true,
        () => false,
      )
    )
      return true
  }
  return false
}

/** A new data key for what is stored from now on, and the slot wrapped anew under a fresh salt. Nothing that is stored is rewritten. */
export async function rotateKeys(at: StoreAt, unlock: Opener): Promise<{ dataKey: number; slot: string }> {
  const { repository } = await readFormat(at)
  const { key, slot: old } = await openRepositoryKey(at, unlock)
  const { dataKeys } = await listKeys(at)
  const numbers = await Promise.all(dataKeys.map(async (name) => (await readDataKey(name, at)).number))
  const number = Math.max(0, ...numbers) + 1
  const name = dataKeyName(number)
  const wrapped = wrapKey(key, systemRandom.bytes(32), associated(name, repository, { number }))
  await at.store.put(name, [encodePlain('data-key', { number, wrapped })], { signal: at.signal, durable: true })
  const fresh = await addSlot(at, unlock, unlock)
  await removeSlot(at, old.slot)
  return { dataKey: number, slot: fresh.slot }
}
