// Brings back what a check found damaged or missing, out of another repository that holds the same backups and WAL. Nothing is overwritten: a missing object
// comes under its own name, a damaged one gets a replacement beside it (doc/design/repository-format.md section 8a).
import { createHash } from 'node:crypto'

import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Finding } from '../check/findings.ts'
import type { Manifest, MapRef } from '../contract.ts'
import { copyContents, missingPacks, readCommon } from '../copy/backup.ts'
import { copyPack } from '../copy/packs.ts'
import { refKey, translateMap } from '../copy/refs.ts'
import { healInput, healKept } from '../kept/heal.ts'
import { INPUT_PREFIX, KEPT_PREFIX } from '../kept/names.ts'
import { LEASE_MS, LEASE_PREFIX } from '../lease/lease.ts'
import { encodeMap } from '../map/codec.ts'
import { readMaps } from '../map/bundle.ts'
import { CONFIRMED_PREFIX, writeConfirmation } from '../manifest/confirmation.ts'
import { parseManifestName } from '../manifest/list.ts'
import { MANIFEST_PREFIX, manifestName, readManifest } from '../manifest/store.ts'
import { damaged, type ReadOptions } from '../object/decode.ts'
import { ObjectStream } from '../object/encode.ts'
import { packName } from '../pack/names.ts'
import { parseTrimmedName } from '../pack/trimmed.ts'
import type { StoredRepository } from '../stored.ts'
import { writeHistory } from '../wal/archive.ts'
import { chunkInfo, chunkName, parseHistoryName } from '../wal/names.ts'
import { isReplaceable } from './fall-back.ts'
import { freeName, replacedName } from './names.ts'

export interface Healing {
  readonly object: string
  /** `as`: the object that stands in for it now. `removed`: it said nothing any more. `why`: it is as it was. */
  readonly state: 'healed' | 'removed' | 'not healed'
  readonly as?: string
  readonly why?: string
}

export interface HealParts {
  readonly to: StoredRepository
  readonly from: StoredRepository
  readonly signal: AbortSignal
  readonly report?: (object: string) => void
}

/** Packs before maps before manifests: each needs those before. */
const ORDER = ['packs/', 'wal/', 'maps/', MANIFEST_PREFIX, CONFIRMED_PREFIX]

/** One result for each object that was found. Never rejects for what cannot be healed; failures to reach a store do. */
export async function healFindings(findings: readonly Finding[], parts: HealParts): Promise<readonly Healing[]> {
  const rank = (name: string): number => {
    const at = ORDER.findIndex((prefix) => name.startsWith(prefix))
    return at < 0 ? ORDER.length : at
  }
  // A replacement that is damaged gets another one of what it stands for.
  const objects = findings.map((one) => replacedName(one.object) ?? one.object)
  const names = [...new Set(objects)].toSorted((one, other) => rank(one) - rank(other))
  const done: Healing[] = []
  for (const object of names) {
    parts.signal.throwIfAborted()
    parts.report?.(object)
    done.push(await healOne(object, parts))
  }
  await parts.to.store.barrier(parts)
  return done
}

async function healOne(object: string, parts: HealParts): Promise<Healing> {
  try {
    if (object.startsWith(LEASE_PREFIX)) return await dropLease(object, parts)
    const as = await replacementOf(object, parts)
    return as === undefined
      ? { object, state: 'not healed', why: 'objects of this kind are not copied between repositories' }
      : { object, state: 'healed', as }
  } catch (error) {
    if (!isReplaceable(error) && !isWharfError(error, 'repository.unknown-backup')) throw error
    return { object, state: 'not healed', why: messageOf(error) }
  }
}

async function replacementOf(object: string, parts: HealParts): Promise<string | undefined> {
  const pack = /^packs\/[0-9a-f]{2}\/([0-9a-f]{32})$/.exec(object)?.[1]
  // Damage of a trimmed one: the whole pack comes back from the other repository.
  const trimmed = parseTrimmedName(object)?.pack
  if (trimmed !== undefined) return await healPack(trimmed, packName(trimmed), parts)
  if (pack !== undefined) return await healPack(pack, object, parts)
  if (object.startsWith('maps/')) return await healBundle(object, parts)
  if (object.startsWith(MANIFEST_PREFIX)) return await healManifest(object, parts)
  if (object.startsWith(CONFIRMED_PREFIX)) return await healConfirmation(object, parts)
  if (object.startsWith(INPUT_PREFIX)) return await healInput(object, await placeFor(object, parts), parts)
  if (object.startsWith(KEPT_PREFIX)) return await healKept(object, await placeFor(object, parts), parts)
  if (object.startsWith('wal/')) return await healWal(object, parts)
  return undefined
}

async function placeFor(object: string, { to, signal }: HealParts): Promise<string> {
  const at = { store: to.store, signal }
  const name = (await to.store.stat(object, at)) ? await freeName(object, at) : object
  if (name === undefined) throw damaged(object, 'all of its replacements are damaged as well')
  return name
}

async function healPack(id: string, object: string, parts: HealParts): Promise<string> {
  const { to, from, signal } = parts
  const name = await placeFor(object, parts)
  await copyPack({ id, from: from.readOptions(signal), to: to.readOptions(signal), name })
  return name
}

async function healWal(object: string, { to, from, signal }: HealParts): Promise<string | undefined> {
  const history = parseHistoryName(object)
  if (history) {
    const content = await from.wal.history(history.systemIdentifier, history.timeline, signal)
    if (content === undefined) throw damaged(object, 'the other repository does not hold it')
    const name = await placeFor(object, { to, from, signal })
    await writeHistory(name, content, to.readOptions(signal))
    return name
  }
  const info = chunkInfo({ name: object, bytes: 0, modifiedMs: 0 })
  if (!info) return undefined
  return (await to.wal.put(await from.wal.read({ ...info, object: chunkName(info) }, signal), signal)).object
}

async function dropLease(object: string, { to, signal }: HealParts): Promise<Healing> {
  const info = await to.store.stat(object, { signal })
  // The longest that it can have held anybody off.
  if (info && info.modifiedMs + 2 * LEASE_MS > (await to.store.now({ signal })))
    return { object, state: 'not healed', why: 'it may still be held: try again in two minutes' }
  await to.store.remove(object, { signal })
  return { object, state: 'removed' }
}

async function healConfirmation(object: string, { to, from, signal }: HealParts): Promise<string> {
  const [warehouse, id] = object.slice(CONFIRMED_PREFIX.length).split('/') as [string, string]
  const manifest = manifestName(warehouse, id)
  // It says that the backup is complete. That the other repository holds it as one says the same.
  await from.readManifest(id, signal)
  const bytes = await to.store.get(manifest, { signal })
  const name = await placeFor(object, { to, from, signal })
  const body = { manifest, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length }
  await writeConfirmation({ warehouse, id }, body, { ...to.readOptions(signal), name })
  return name
}

/** The backup is the other repository's; its maps are found through backups that both hold. */
async function healManifest(object: string, parts: HealParts): Promise<string | undefined> {
  const { to, from, signal } = parts
  const parsed = parseManifestName(object)
  if (!parsed) return undefined
  const manifest = await from.readManifest(parsed.id, signal)
  const name = await placeFor(object, parts)
  const { warehouse, id } = parsed
  const names = await commonManifests(warehouse, id, parts)
  const [source, target] = [from.readOptions(signal), to.readOptions(signal)]
  const copy = { manifest, from: source, to: target, common: await readCommon(names, source, target) }
  const writer = await to.beginCopy({ warehouse, id, signal })
  let complete = false
  try {
    const done = await copyContents(copy, writer, await missingPacks(copy))
    await writer.commit(done.manifest, signal, { name })
    complete = true
    return name
  } finally {
    if (!complete) await writer.abandon()
  }
}

async function commonManifests(warehouse: string, id: string, parts: HealParts): Promise<string[]> {
  const { to, from, signal } = parts
  const own = await to.listBackups(signal, { warehouse, onDamaged: () => {} })
  const theirs = new Set((await from.listBackups(signal, { warehouse, onDamaged: () => {} })).map((one) => one.id))
  return own.filter((one) => one.id !== id && theirs.has(one.id)).map((one) => manifestName(warehouse, one.id))
}

/** Every map of the bundle that a manifest of ours names, from ourselves where it can be read, else from the other repository. */
async function healBundle(object: string, parts: HealParts): Promise<string> {
  const { to, signal } = parts
  const name = await freeName(object, { store: to.store, signal })
  if (name === undefined) throw damaged(object, 'all of its replacements are damaged as well')
  const wanted = await wantedMaps(object, parts)
  const { ring, store } = to
  const objectId = Buffer.from(object.slice(-32), 'hex')
  const stream = await ObjectStream.create(store, ring, { name, kind: 'maps', objectId, signal })
  try {
    for (const { ref, map } of wanted) {
      const label = Buffer.from(ref.sha256, 'hex')
      await stream.add({ type: 'map', label, plain: encodeMap(map) }, true)
    }
    await stream.finish()
  } catch (error) {
    await stream.abandon()
    throw error
  }
  return name
}

async function wantedMaps(object: string, parts: HealParts) {
  const { to, from, signal } = parts
  const own = to.readOptions(signal)
  const found = new Map<string, { ref: MapRef; map: Awaited<ReturnType<typeof readMaps>>[number] }>()
  const missing = new Map<string, string>()
  for await (const { name } of to.store.list(MANIFEST_PREFIX, { signal })) {
    const manifest = await orUndefined(readManifest(name, own).then((read) => read.manifest))
    if (!manifest) continue
    const theirs = await lookUp(manifest, object, { ...parts, own, found })
    for (const { ref, path, map } of theirs) {
      if (map) found.set(refKey(ref), { ref, map: translateMap(map, from.ring.sealing, to.ring.sealing) })
      else missing.set(refKey(ref), path)
    }
  }
  for (const key of found.keys()) missing.delete(key)
  const [first] = missing.values()
  if (first !== undefined) throw damaged(object, `the other repository does not hold the map of ${first}`)
  return found.values()
}

/** For each map of the bundle that the manifest names and that is not found yet: ours if it can be read (then already noted), else theirs. */
async function lookUp(
  manifest: Manifest,
  object: string,
  at: HealParts & {
    own: ReadOptions
    found: Map<string, { ref: MapRef; map: Awaited<ReturnType<typeof readMaps>>[number] }>
  },
) {
  const theirs: { ref: MapRef; path: string; map: Awaited<ReturnType<typeof readMaps>>[number] | undefined }[] = []
  let other: Manifest | undefined
  for (const file of manifest.files) {
    if (file.kind !== 'segment' || file.map.object !== object || at.found.has(refKey(file.map))) continue
    const own = await orUndefined(readMaps([file.map], at.own))
    if (own?.[0]) {
      at.found.set(refKey(file.map), { ref: file.map, map: own[0] })
      continue
    }
    other ??= await orUndefined(at.from.readManifest(manifest.id, at.signal))
    const same = other?.files.find((one) => one.path === file.path)
    const map =
      same?.kind === 'segment' ? await orUndefined(readMaps([same.map], at.from.readOptions(at.signal))) : undefined
    theirs.push({ ref: file.map, path: file.path, map: map?.[0] })
  }
  return theirs
}

async function orUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (isReplaceable(error) || isWharfError(error, 'repository.unknown-backup')) return undefined
    throw error
  }
}
