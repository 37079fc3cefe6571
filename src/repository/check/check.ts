// Whether everything that a repository holds is whole. `structure`: heads, directories, tails, manifests, maps and the index of WAL, and that
// all references meet. `all`: every byte. `share`: the structure of what is new, and every byte of what was read longest ago, up to a share of all.
import { systemClock } from '../../base/clock.ts'
import type { Progress } from '../../base/operation.ts'
import type { ObjectInfo, ObjectStore, WalChunkInfo } from '../contract.ts'
import { checkCopyObject } from '../copies/check.ts'
import { COPIES_PREFIX } from '../copies/names.ts'
import { HEALED_PREFIX, replacedName, replacementsOf } from '../heal/names.ts'
import { checkInput, checkKept } from '../kept/check.ts'
import { INPUT_PREFIX, KEPT_PREFIX } from '../kept/names.ts'
import { KeyRing } from '../keys/ring.ts'
import { FORMAT_OBJECT } from '../keys/store.ts'
import { LEASE_MS, LEASE_PREFIX, parseLeaseName, readLease } from '../lease/lease.ts'
import { beginReading } from '../lease/reader.ts'
import { CONFIRMED_PREFIX, readOwnConfirmation } from '../manifest/confirmation.ts'
import { MANIFEST_PREFIX } from '../manifest/store.ts'
import { NOTICE_PREFIX, readNotice } from '../notice/notices.ts'
import { PROGRESS_PREFIX, readProgress } from '../progress/notes.ts'
import { damaged, readDirectory, readSections } from '../object/decode.ts'
import { parseTrimmedName, proveTrimmed, readTrimmed, TRIMMED_PREFIX } from '../pack/trimmed.ts'
import type { Unlock } from '../unlock.ts'
import { WAL_PREFIX } from '../wal/names.ts'
import { PackDirectories } from './directories.ts'
import { chooseDue, type Due } from './due.ts'
import { Findings, isDamage, type CheckTools, type Depth, type Finding, type Level } from './findings.ts'
import { withImpact } from './impact.ts'
import { checkOfPrune, isOfPrune } from './prune.ts'
import { checkKeys } from './keys.ts'
import { checkBundle, checkManifest, checkUnmet, type ManifestCheck } from './manifests.ts'
import {
  CHECKS_PREFIX,
  readCheckRecord,
  readHistoryOfChecks,
  removeSpentRecords,
  writeCheckRecord,
  type History,
} from './records.ts'
import { checkVersions } from './versions.ts'
import { checkOverlaps, checkWalObject } from './wal.ts'

export interface CheckOptions {
  readonly store: ObjectStore
  readonly unlock: Unlock
  readonly depth: Depth
  /** Of all bytes, for depth share; default 1/30. */
  readonly share?: number
  /** Keep what was checked in the repository; default: no. Where nothing can be written nothing is kept. */
  readonly remember?: boolean
  readonly signal: AbortSignal
  readonly progress?: (event: Progress) => void
}

export interface CheckResult {
  readonly objects: number
  readonly bytes: number
  /** Complete backups found sound as far as their manifests go; of those that were looked at. */
  readonly backups: number
  readonly walChunks: number
  /** Objects and bytes that were looked at. */
  readonly checkedObjects: number
  readonly checkedBytes: number
  /** Damaged objects for which a sound replacement stands in. */
  readonly healed: readonly string[]
  readonly findings: readonly Finding[]
  /** False where the record of this check could not be kept. Undefined where it was not to be. */
  readonly remembered: boolean | undefined
}

const DEFAULT_SHARE = 1 / 30

export async function checkRepository(options: CheckOptions): Promise<CheckResult> {
  const { store, signal } = options
  const findings = new Findings()
  await checkVersions(options, findings)
  const ringSeed = await checkKeys(options, findings)
  // Before the listing: what it shows is not deleted while it is read. Where nothing may be written there is no lease.
  await using _ = ringSeed && options.remember ? await leaseOf(options, new KeyRing(ringSeed)) : undefined
  const objects: ObjectInfo[] = []
  for await (const object of store.list('', { signal })) objects.push(object)
  const bytes = objects.reduce((sum, one) => sum + one.bytes, 0)
  const base = { objects: objects.length, bytes, healed: [], remembered: undefined }
  if (!ringSeed) {
    return { ...base, backups: 0, walChunks: 0, checkedObjects: 0, checkedBytes: 0, findings: findings.list }
  }
  const ring = new KeyRing(ringSeed)
  const history = await readHistoryOfChecks({ store, ring, signal })
  const { depth, share = DEFAULT_SHARE } = options
  const due = chooseDue(objects, history.objects, { depth, share })
  await addVanished(due, { objects, history })
  const tools: CheckTools = {
    store,
    ring,
    signal,
    findings,
    done: progressOf(options, due.bytes),
    levelOf: (name) => due.levels.get(name),
    everything: depth === 'all',
  }
  const present = new Set(objects.map((one) => one.name))
  const check: ManifestCheck = {
    tools,
    directories: new PackDirectories(tools),
    wanted: new Map(),
    packs: new Set(),
    isDue: (pack) => {
      const name = packNameOf(pack)
      return due.levels.has(name) || !present.has(name)
    },
  }
  const counted = await checkObjects(objects, check)
  const found = await withImpact(findings.list, objects, { store, ring, signal })
  const remembered = options.remember ? await remember({ due, present, found, history, depth }, tools) : undefined
  const looked = { checkedObjects: due.levels.size, checkedBytes: due.bytes }
  return { ...base, ...counted, ...looked, healed: [...findings.healed].toSorted(), findings: found, remembered }
}

async function leaseOf({ store, signal }: CheckOptions, ring: KeyRing): Promise<AsyncDisposable | undefined> {
  const parts = { store, ring, signal, clock: systemClock, purpose: 'check', holder: 'check', leaseMs: LEASE_MS }
  try {
    return await beginReading(parts)
  } catch (error) {
    // As with the record of the check: it must work where nothing can be written.
    signal.throwIfAborted()
    if (!(error instanceof Error)) throw error
    return undefined
  }
}

const packNameOf = (pack: string): string => `packs/${pack.slice(0, 2)}/${pack}`

/** Objects that were there once and are not now are either expired or missed: the manifests say which. Then all of them are read. */
async function addVanished(due: Due, of: { objects: readonly ObjectInfo[]; history: History }): Promise<void> {
  const present = new Set(of.objects.map((one) => one.name))
  const vanished = [...of.history.objects.keys()].some(
    (name) => /^(packs|trimmed|maps)\//.test(name) && !present.has(name),
  )
  if (!vanished) return
  const levels = due.levels as Map<string, Level>
  for (const { name } of of.objects)
    if (name.startsWith(MANIFEST_PREFIX) && !levels.has(name)) levels.set(name, 'structure')
}

async function remember(
  of: { due: Due; present: ReadonlySet<string>; found: readonly Finding[]; history: History; depth: Depth },
  tools: CheckTools,
): Promise<boolean> {
  const bad = new Set(of.found.map((one) => one.object))
  const names: Record<Level, string[]> = { structure: [], all: [] }
  for (const [name, level] of of.due.levels) if (!bad.has(name)) names[level].push(name)
  try {
    const atMs = await tools.store.now(tools)
    const counts = { findings: of.found.length, bytes: of.due.bytes, objects: of.due.levels.size }
    await writeCheckRecord({ atMs, depth: of.depth, ...counts, names }, tools)
    await removeSpentRecords(await readHistoryOfChecks(tools), of.present, tools)
    return true
  } catch (error) {
    tools.signal.throwIfAborted()
    // A check must work where nothing may be written: it only is not remembered.
    if (!(error instanceof Error)) throw error
    return false
  }
}

/** Bytes so far, with the rate since the beginning. */
function progressOf({ progress }: CheckOptions, total: number): (bytes: number) => void {
  const startedAt = systemClock.monotonic()
  let done = 0
  return (bytes) => {
    done += bytes
    const seconds = (systemClock.monotonic() - startedAt) / 1000
    const rate =
      seconds > 1 ? { rate: done / seconds, leftMs: Math.max(0, ((total - done) * seconds * 1000) / done) } : {}
    progress?.({ phase: 'checking', done: Math.min(done, total), total, unit: 'bytes', ...rate })
  }
}

/** Manifests first: they say which maps are wanted. */
async function checkObjects(
  objects: readonly ObjectInfo[],
  check: ManifestCheck,
): Promise<{ backups: number; walChunks: number }> {
  const { tools } = check
  const chunks: WalChunkInfo[] = []
  let backups = 0
  const of = (prefix: string) =>
    objects.filter((one) => one.name.startsWith(prefix) && tools.levelOf(one.name) !== undefined)
  for (const object of of(MANIFEST_PREFIX)) {
    if (await checkManifest(object, check)) backups++
    tools.done(object.bytes)
  }
  for (const object of of('maps/')) {
    await checkBundle(object, check)
    tools.done(object.bytes)
  }
  await checkUnmet(check)
  for (const object of of('packs/')) {
    await tools.findings.attemptAny(object.name, tools, (name) => checkPack(name, object, tools))
    check.packs.delete(object.name.slice(-32))
    tools.done(object.bytes)
  }
  for (const object of of(TRIMMED_PREFIX)) {
    await tools.findings.attempt(object.name, () => checkTrimmed(object, tools))
    tools.done(object.bytes)
  }
  for (const pack of check.packs) if (check.isDue(pack)) await check.directories.directory(pack)
  for (const object of of(WAL_PREFIX)) {
    const chunk = await checkWalObject(object, tools)
    if (chunk) chunks.push(chunk)
    tools.done(object.bytes)
  }
  await checkOverlaps(chunks, tools)
  for (const object of objects) await tools.findings.attempt(object.name, () => checkOther(object, tools))
  return { backups, walChunks: chunks.length }
}

async function checkPack(name: string, object: ObjectInfo, tools: CheckTools): Promise<void> {
  if (!/^packs\/[0-9a-f]{2}\/[0-9a-f]{32}$/.test(object.name))
    throw damaged(object.name, 'its name is not one of a pack')
  if (tools.levelOf(object.name) === 'structure') {
    const objectBytes = name === object.name ? object.bytes : ((await tools.store.stat(name, tools))?.bytes ?? 0)
    await readDirectory(name, 'pack', { ...tools, objectBytes })
    return
  }
  for await (const section of readSections(name, 'pack', tools)) {
    if (section.type !== 'extent') throw damaged(name, `section ${section.number} is no extent`)
  }
}

async function checkTrimmed(object: ObjectInfo, tools: CheckTools): Promise<void> {
  try {
    await readTrimmed(object, tools)
    if (tools.levelOf(object.name) !== 'structure') await proveTrimmed(object.name, tools)
  } catch (error) {
    // The whole pack is back: that is read first.
    const pack = parseTrimmedName(object.name)?.pack
    if (!isDamage(error) || pack === undefined || !(await tools.store.stat(packNameOf(pack), tools))) throw error
    tools.findings.healed.add(object.name)
  }
}

const CHECKED_ABOVE = ['packs/', TRIMMED_PREFIX, 'maps/', MANIFEST_PREFIX, WAL_PREFIX, 'keys/']

async function checkOther(object: ObjectInfo, tools: CheckTools): Promise<void> {
  const { name } = object
  if (name === FORMAT_OBJECT || CHECKED_ABOVE.some((prefix) => name.startsWith(prefix))) return
  if (name.startsWith(LEASE_PREFIX)) {
    if (!parseLeaseName(name)) throw damaged(name, 'its name is not one of a lease')
    // A holder removes its old objects while we read.
    if (await tools.store.stat(name, tools)) await readLease(name, tools)
  } else if (name.startsWith(CONFIRMED_PREFIX))
    await tools.findings.attemptAny(name, tools, (one) => readOwnConfirmation(one, tools))
  else if (name.startsWith(CHECKS_PREFIX)) await readCheckRecord(name, tools)
  else if (name.startsWith(HEALED_PREFIX)) await checkReplacement(object, tools)
  else if (name.startsWith(COPIES_PREFIX)) await checkCopyObject(name, tools)
  else if (name.startsWith(KEPT_PREFIX))
    await tools.findings.attemptAny(name, tools, (one) => checkKept(name, one, tools))
  else if (name.startsWith(INPUT_PREFIX))
    await tools.findings.attemptAny(name, tools, (one) => checkInput(name, one, tools))
  else if (isOfPrune(name)) await checkOfPrune(object, tools)
  else if (name.startsWith(NOTICE_PREFIX)) {
    if (await tools.store.stat(name, tools)) await readNotice(name, tools)
  } else if (name.startsWith(PROGRESS_PREFIX)) {
    if (await tools.store.stat(name, tools)) await readProgress(name, tools)
  } else throw damaged(name, 'it does not belong to a repository')
}

/** A replacement that is damaged is told, unless a later one of the same object is sound. */
async function checkReplacement(object: ObjectInfo, tools: CheckTools): Promise<void> {
  const replaced = replacedName(object.name)
  if (replaced === undefined) throw damaged(object.name, 'its name is not one of a replacement')
  const read = async (name: string): Promise<void> => {
    for await (const section of readSections(name, undefined, tools)) void section
  }
  try {
    await read(object.name)
  } catch (error) {
    for await (const later of replacementsOf(replaced, tools)) {
      if (later > object.name && (await isSound(() => read(later)))) return
    }
    throw error
  }
}

async function isSound(read: () => Promise<void>): Promise<boolean> {
  try {
    await read()
    return true
  } catch (error) {
    if (!isDamage(error)) throw error
    return false
  }
}
