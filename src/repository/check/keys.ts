// Check of the format object and of every key object.
import type { ObjectStore } from '../contract.ts'
import { damaged } from '../object/decode.ts'
import { FORMAT_OBJECT, listKeys, openKeys, readDataKey, readFormat, readSlot } from '../keys/store.ts'
import { PRUNE_PREFIX, readPruneSlot } from '../keys/prune.ts'
import type { KeyRingSeed } from '../keys/ring.ts'
import type { Unlock } from '../unlock.ts'
import type { Findings } from './findings.ts'

/** Undefined where the keys cannot be opened because of the findings. A wrong key rejects. */
export async function checkKeys(
  at: { store: ObjectStore; signal: AbortSignal; unlock: Unlock },
  findings: Findings,
): Promise<KeyRingSeed | undefined> {
  await findings.attempt(FORMAT_OBJECT, () => readFormat(at))
  const names = await listKeys(at)
  for (const name of names.slots) await findings.attempt(name, () => readSlot(name, at))
  for (const name of names.dataKeys) await findings.attempt(name, () => readDataKey(name, at))
  for await (const { name } of at.store.list(PRUNE_PREFIX, at))
    await findings.attempt(name, () => readPruneSlot(name, at))
  for (const name of names.others) await findings.attempt(name, () => Promise.reject(damaged(name, 'it is no key')))
  return findings.attempt(FORMAT_OBJECT, () => openKeys(at, at.unlock))
}
