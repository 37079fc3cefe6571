// Which objects are dead: named by a tombstone that a prune key of the repository signed, and not taken out of it again in time.
import { z } from 'zod'

import { isWharfError, messageOf } from '../../base/errors.ts'
import { MINUTE_MS } from '../../base/units.ts'
import type { ObjectInfo } from '../contract.ts'
import { prunePublicKeys, signatureHolds, type PruneKey } from '../keys/prune.ts'
import { hexSchema } from '../keys/wrap.ts'
import { damaged, type ReadOptions } from '../object/decode.ts'
import { putJson, readJson } from '../object/json.ts'
import {
  parseRevivalName,
  parseTombstoneName,
  REVIVAL_PREFIX,
  revivalName,
  TOMBSTONE_PREFIX,
  tombstoneName,
} from './names.ts'

/** Longest lease, delay of listings, clocks apart: who began this much later than a tombstone has seen it. Part of the format. */
export const MARGIN_MS = 10 * MINUTE_MS

const envelopeSchema = z.strictObject({ body: z.string(), public: hexSchema(32), signature: hexSchema(64) })
const bodySchema = z.strictObject({
  tombstone: z.string(),
  atMs: z.number().int(),
  graceMs: z.number().int().min(0),
  reason: z.string(),
  backups: z.array(z.string()),
  objects: z.array(z.string()),
})
export type TombstoneBody = z.infer<typeof bodySchema>
const revivalSchema = z.strictObject({
  revival: z.string(),
  tombstones: z.array(z.string()),
  objects: z.array(z.string()),
  by: z.string(),
  reason: z.string(),
})
export type Revival = z.infer<typeof revivalSchema>

export interface Tombstone extends TombstoneBody {
  readonly publicKey: string
  /** The later of what it says and when the store got it. */
  readonly sinceMs: number
  /** From then on it cannot be taken back. */
  readonly matureMs: number
}

export interface Standing {
  readonly tombstones: readonly Tombstone[]
  readonly revivals: readonly Revival[]
  /** Dead object → the tombstone that matures first. */
  readonly dead: ReadonlyMap<string, Tombstone>
  /** Tombstones and revivals that say nothing, and why. */
  readonly unbelieved: readonly { readonly object: string; readonly why: string }[]
  /** Revivals that are among those: what they bring back, nobody knows. */
  readonly unreadRevivals: readonly { readonly object: string; readonly atMs: number }[]
  /** Objects that were taken out of this tombstone in time. */
  isRevived(tombstone: Tombstone, object: string): boolean
}

/** Whether a revival of that time may be one of this tombstone, and in time. */
export function mayCount(atMs: number, tombstone: Tombstone): boolean {
  return atMs > tombstone.sinceMs - MARGIN_MS && atMs < tombstone.matureMs - MARGIN_MS
}

/** What was read once is immutable. Key: name and store time. */
export type StandingCache = Map<string, Tombstone | Revival | string>

function message(repository: string, name: string, body: string): Buffer {
  return Buffer.from(`wharfinger tombstone 1\n${repository}\n${name}\n${body}`)
}

export async function putTombstone(body: TombstoneBody, key: PruneKey, options: ReadOptions): Promise<void> {
  const name = tombstoneName(body.tombstone)
  const text = JSON.stringify(body)
  const signature = key.sign(message(options.ring.seed.repositoryId, name, text))
  await putJson({ name, kind: 'tombstone' }, { body: text, public: key.publicKey, signature }, options)
}

export async function readTombstone(
  object: Pick<ObjectInfo, 'name' | 'modifiedMs'>,
  keys: ReadonlySet<string>,
  options: ReadOptions,
): Promise<Tombstone> {
  const { name, modifiedMs } = object
  const envelope = await readJson({ name, kind: 'tombstone', schema: envelopeSchema }, options)
  const signed = message(options.ring.seed.repositoryId, name, envelope.body)
  if (!keys.has(envelope.public)) throw damaged(name, 'it is signed by no prune key of this repository')
  if (!signatureHolds(envelope.public, signed, envelope.signature)) throw damaged(name, 'its signature does not hold')
  const body = bodySchema.parse(JSON.parse(envelope.body))
  if (tombstoneName(body.tombstone) !== name) throw damaged(name, `it is tombstone ${body.tombstone}`)
  const sinceMs = Math.max(body.atMs, modifiedMs)
  return { ...body, publicKey: envelope.public, sinceMs, matureMs: sinceMs + body.graceMs }
}

export async function readRevival(name: string, options: ReadOptions): Promise<Revival> {
  const revival = await readJson({ name, kind: 'revival', schema: revivalSchema }, options)
  if (revivalName(revival.revival) !== name) throw damaged(name, `it is revival ${revival.revival}`)
  return revival
}

/** Tombstones are listed before revivals: a revival that was there when this began is seen. */
export async function readStanding(options: ReadOptions, cache: StandingCache = new Map()): Promise<Standing> {
  const unbelieved: { object: string; why: string }[] = []
  const listed = await list(TOMBSTONE_PREFIX, options)
  if (listed.length === 0) return new KnownStanding([], [], { unbelieved, unreadRevivals: [] })
  const revivalObjects = await list(REVIVAL_PREFIX, options)
  const keys = await prunePublicKeys(options)
  const read = async <T extends Tombstone | Revival>(object: ObjectInfo, load: () => Promise<T>) => {
    const id = `${object.name}@${object.modifiedMs}`
    const known = cache.get(id) ?? (await load().catch((error: unknown) => toldOf(error)))
    if (known === undefined) return undefined
    cache.set(id, known)
    if (typeof known !== 'string') return known as T
    unbelieved.push({ object: object.name, why: known })
    return undefined
  }
  const tombstones: Tombstone[] = []
  for (const object of listed) {
    if (parseTombstoneName(object.name) === undefined) continue
    const one = await read(object, () => readTombstone(object, keys, options))
    if (one) tombstones.push(one)
  }
  const revivals: (Revival & { atMs: number })[] = []
  const unreadRevivals: { object: string; atMs: number }[] = []
  for (const object of revivalObjects) {
    if (parseRevivalName(object.name) === undefined) continue
    const one = await read(object, () => readRevival(object.name, options))
    if (one) revivals.push({ ...one, atMs: object.modifiedMs })
    else if (unbelieved.at(-1)?.object === object.name)
      unreadRevivals.push({ object: object.name, atMs: object.modifiedMs })
  }
  return new KnownStanding(tombstones, revivals, { unbelieved, unreadRevivals })
}

async function list(prefix: string, options: ReadOptions): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = []
  for await (const object of options.store.list(prefix, options)) found.push(object)
  return found
}

/** Undefined: another pruner has removed it meanwhile. Damage becomes text; failures of the store stay failures. */
function toldOf(error: unknown): string | undefined {
  if (isWharfError(error, 'repository.object-missing')) return undefined
  if (isWharfError(error) && error.exit !== 'damaged' && error.code !== 'repository.unknown-format') throw error
  return messageOf(error)
}

class KnownStanding implements Standing {
  readonly tombstones: readonly Tombstone[]
  readonly revivals: readonly Revival[]
  readonly unbelieved: Standing['unbelieved']
  readonly unreadRevivals: Standing['unreadRevivals']
  readonly dead = new Map<string, Tombstone>()
  private readonly revived = new Set<string>()

  constructor(
    tombstones: readonly Tombstone[],
    revivals: readonly (Revival & { readonly atMs: number })[],
    unread: Pick<Standing, 'unbelieved' | 'unreadRevivals'>,
  ) {
    this.tombstones = tombstones.toSorted((one, other) => one.matureMs - other.matureMs)
    this.revivals = revivals
    this.unbelieved = unread.unbelieved
    this.unreadRevivals = unread.unreadRevivals
    const matureMs = new Map(tombstones.map((one) => [one.tombstone, one.matureMs]))
    for (const { tombstones: ids, objects, atMs } of revivals) {
      for (const id of ids) {
        // Too late: whoever deletes may have looked already.
        if (atMs >= (matureMs.get(id) ?? 0) - MARGIN_MS) continue
        for (const object of objects) this.revived.add(`${id} ${object}`)
      }
    }
    for (const tombstone of this.tombstones) {
      for (const object of tombstone.objects) {
        if (!this.isRevived(tombstone, object) && !this.dead.has(object)) this.dead.set(object, tombstone)
      }
    }
  }

  isRevived(tombstone: Tombstone, object: string): boolean {
    return this.revived.has(`${tombstone.tombstone} ${object}`)
  }
}

/** Puts a revival. The caller makes sure that there is still time, before and after. */
export async function putRevival(revival: Revival, options: ReadOptions): Promise<void> {
  await putJson({ name: revivalName(revival.revival), kind: 'revival' }, revival, options)
}
