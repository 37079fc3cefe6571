// Holds in the repository: reasons why a backup must be kept, with no control database.
import { z } from 'zod'

import { isWharfError } from '../../base/errors.ts'
import { timedId } from '../../base/random.ts'
import type { BackupHold, NewHold } from '../expiry-contract.ts'
import { errors } from '../errors.ts'
import { damaged, type ReadOptions } from '../object/decode.ts'
import { putJson, readJson } from '../object/json.ts'
import { HOLD_PREFIX, holdName, parseHoldName } from './names.ts'

const holdSchema = z.strictObject({
  hold: z.string(),
  backup: z.string(),
  warehouse: z.string(),
  reason: z.string(),
  by: z.string(),
  atMs: z.number().int(),
  untilMs: z.number().int().optional(),
  wal: z.enum(['own', 'since']),
})

export async function readHold(name: string, options: ReadOptions): Promise<BackupHold> {
  const { hold, untilMs, ...rest } = await readJson({ name, kind: 'hold', schema: holdSchema }, options)
  const parsed = parseHoldName(name)
  if (parsed?.id !== hold) throw damaged(name, `it is hold ${hold}`)
  return { id: hold, ...rest, untilMs }
}

export async function placeHold(hold: NewHold, options: ReadOptions): Promise<BackupHold> {
  const atMs = await options.store.now(options)
  const placed: BackupHold = { ...hold, id: hold.id ?? timedId(atMs), atMs }
  await putHold(holdName(placed.id), placed, options).catch((error: unknown) => {
    // The same reason once more.
    if (hold.id === undefined || !isWharfError(error, 'repository.object-exists')) throw error
  })
  return placed
}

async function putHold(name: string, { id, ...rest }: BackupHold, options: ReadOptions): Promise<void> {
  await putJson({ name, kind: 'hold' }, { hold: id, ...rest }, options)
}

export async function releaseHold(id: string, options: ReadOptions): Promise<BackupHold> {
  const found = (await listHolds(options)).find((one) => one.id === id)
  if (!found) throw errors.unknownHold({ id, location: options.store.location })
  await putHold(holdName(id, true), found, options).catch((error: unknown) => {
    if (!isWharfError(error, 'repository.object-exists')) throw error
  })
  return found
}

/** Those in force. A hold that cannot be read rejects: nobody knows then what must be kept. */
export async function listHolds(options: ReadOptions): Promise<BackupHold[]> {
  const names: string[] = []
  const released = new Set<string>()
  for await (const { name } of options.store.list(HOLD_PREFIX, options)) {
    const parsed = parseHoldName(name)
    if (parsed?.released) released.add(parsed.id)
    else if (parsed) names.push(name)
  }
  const wanted = names.filter((name) => !released.has(parseHoldName(name)!.id))
  if (wanted.length === 0) return []
  const now = await options.store.now(options).catch(() => 0)
  const holds = []
  for (const name of wanted) holds.push(await readHold(name, options))
  return holds.filter((one) => one.untilMs === undefined || one.untilMs > now)
}
