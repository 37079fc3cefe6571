// Whether everything that a repository holds is whole. `structure`: heads, directories, tails, manifests, maps and the index of WAL, and that
// all references meet. `all`: every byte.
import type { Progress } from '../../base/operation.ts'
import type { ObjectInfo, ObjectStore, WalChunkInfo } from '../contract.ts'
import { checkCopyObject } from '../copies/check.ts'
import { COPIES_PREFIX } from '../copies/names.ts'
import { KeyRing } from '../keys/ring.ts'
import { FORMAT_OBJECT } from '../keys/store.ts'
import { LEASE_PREFIX, parseLeaseName, readLease } from '../lease/lease.ts'
import { CONFIRMED_PREFIX, readConfirmation } from '../manifest/confirmation.ts'
import { MANIFEST_PREFIX } from '../manifest/store.ts'
import { NOTICE_PREFIX, readNotice } from '../notice/notices.ts'
import { damaged, readDirectory, readSections } from '../object/decode.ts'
import type { Unlock } from '../unlock.ts'
import { WAL_PREFIX } from '../wal/names.ts'
import { PackDirectories } from './directories.ts'
import { Findings, type CheckTools, type Depth, type Finding } from './findings.ts'
import { checkKeys } from './keys.ts'
import { checkBundle, checkManifest, checkUnmet, type ManifestCheck } from './manifests.ts'
import { checkOverlaps, checkWalObject } from './wal.ts'

export interface CheckOptions {
  readonly store: ObjectStore
  readonly unlock: Unlock
  readonly depth: Depth
  readonly signal: AbortSignal
  readonly progress?: (event: Progress) => void
}

export interface CheckResult {
  readonly objects: number
  readonly bytes: number
  /** Complete backups found sound as far as their manifests go. */
  readonly backups: number
  readonly walChunks: number
  readonly findings: readonly Finding[]
}

export async function checkRepository(options: CheckOptions): Promise<CheckResult> {
  const { store, signal } = options
  const findings = new Findings()
  const ringSeed = await checkKeys(options, findings)
  const objects: ObjectInfo[] = []
  for await (const object of store.list('', { signal })) objects.push(object)
  const bytes = objects.reduce((sum, one) => sum + one.bytes, 0)
  const base = { objects: objects.length, bytes }
  if (!ringSeed) return { ...base, backups: 0, walChunks: 0, findings: findings.list }
  const progress = progressOf(options, bytes)
  const tools: CheckTools = {
    store,
    ring: new KeyRing(ringSeed),
    signal,
    depth: options.depth,
    findings,
    done: progress,
  }
  const check: ManifestCheck = { tools, directories: new PackDirectories(tools), wanted: new Map(), packs: new Set() }
  return { ...base, ...(await checkObjects(objects, check)), findings: findings.list }
}

function progressOf({ progress }: CheckOptions, total: number): (bytes: number) => void {
  let done = 0
  return (bytes) => {
    done += bytes
    progress?.({ phase: 'checking', done, total, unit: 'bytes' })
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
  const of = (prefix: string) => objects.filter((one) => one.name.startsWith(prefix))
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
    await tools.findings.attempt(object.name, () => checkPack(object, tools))
    check.packs.delete(object.name.slice(-32))
    tools.done(object.bytes)
  }
  for (const pack of check.packs) await check.directories.directory(pack)
  for (const object of of(WAL_PREFIX)) {
    const chunk = await checkWalObject(object, tools)
    if (chunk) chunks.push(chunk)
    tools.done(object.bytes)
  }
  await checkOverlaps(chunks, tools)
  for (const object of objects) await tools.findings.attempt(object.name, () => checkOther(object, tools))
  return { backups, walChunks: chunks.length }
}

async function checkPack(object: ObjectInfo, tools: CheckTools): Promise<void> {
  if (!/^packs\/[0-9a-f]{2}\/[0-9a-f]{32}$/.test(object.name))
    throw damaged(object.name, 'its name is not one of a pack')
  if (tools.depth === 'structure') {
    await readDirectory(object.name, 'pack', { ...tools, objectBytes: object.bytes })
    return
  }
  for await (const section of readSections(object.name, 'pack', tools)) {
    if (section.type !== 'extent') throw damaged(object.name, `section ${section.number} is no extent`)
  }
}

const CHECKED_ABOVE = ['packs/', 'maps/', MANIFEST_PREFIX, WAL_PREFIX, 'keys/']

async function checkOther(object: ObjectInfo, tools: CheckTools): Promise<void> {
  const { name } = object
  if (name === FORMAT_OBJECT || CHECKED_ABOVE.some((prefix) => name.startsWith(prefix))) return
  if (name.startsWith(LEASE_PREFIX)) {
    if (!parseLeaseName(name)) throw damaged(name, 'its name is not one of a lease')
    // A holder removes its old objects while we read.
    if (await tools.store.stat(name, tools)) await readLease(name, tools)
  } else if (name.startsWith(CONFIRMED_PREFIX)) await readConfirmation(name, tools)
  else if (name.startsWith(COPIES_PREFIX)) await checkCopyObject(name, tools)
  else if (name.startsWith(NOTICE_PREFIX)) {
    if (await tools.store.stat(name, tools)) await readNotice(name, tools)
  } else throw damaged(name, 'it does not belong to a repository')
  tools.done(object.bytes)
}
