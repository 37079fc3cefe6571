// Takes a stream of an export into a repository. Everything is first laid into a folder beside and verified to the last byte; only then does anything
// appear in the target, the manifest last.
import { mkdir, rm } from 'node:fs/promises'

import type { Clock } from '../../base/clock.ts'
import { isWharfError } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import { MIB } from '../../base/units.ts'
import { parseLsn, formatLsn } from '../../wal/lsn.ts'
import { checkRepository } from '../check/check.ts'
import type { ObjectStore, Repository } from '../contract.ts'
import { asStored, copyBackup } from '../copy.ts'
import { errors } from '../errors.ts'
import { FORMAT_OBJECT, readFormat } from '../keys/store.ts'
import { readJson } from '../object/json.ts'
import { openRepository } from '../open.ts'
import { objectOf } from '../prune/names.ts'
import { revive } from '../prune/revive.ts'
import { namedAs } from '../prune/roots.ts'
import { readStanding } from '../prune/standing.ts'
import { FileStore } from '../store/file.ts'
import type { Unlock } from '../unlock.ts'
import { CONTENTS, contentsSchema, leads, partOf, type Contents, type Part } from './contents.ts'
import { readFrames } from './stream.ts'

const COMPARE_BYTES = 8 * MIB

export interface ImportOptions {
  readonly source: AsyncIterable<Buffer>
  /** A folder that is not there, or is left from an import that was interrupted: emptied first, gone at the end. */
  readonly staging: string
  readonly target: ObjectStore
  /** Opens the target where it is a repository already. */
  readonly unlock: Unlock
  /** Opens what the stream holds. */
  readonly exportUnlock: Unlock
  readonly clock: Clock
  readonly holder: string
  readonly report?: (event: Progress) => void
  readonly signal: AbortSignal
}

export interface Imported {
  readonly backup: string
  readonly warehouse: string
  readonly fromLsn: string
  readonly toLsn: string
  /** `new`: the target was empty, and is now a repository with the keys of the export. `same`: it is the repository that was exported. `other`: sealed anew with the target's key. */
  readonly into: 'new' | 'same' | 'other'
  readonly objects: number
}

/** Rejects with `repository.bad-export` at the first wrong byte, `.wrong-key`, or what the check of the whole found; the target is then as it was. */
export async function importBackup(options: ImportOptions): Promise<Imported> {
  const { staging } = options
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true, mode: 0o700 })
  try {
    const staged = new FileStore(staging)
    const stream = await lay(options, staged)
    const repository = asStored(
      await openRepository({ ...options, name: 'export', store: staged, unlock: options.exportUnlock }),
    )
    const contents = await proveContents(repository, stream, options.signal)
    await proveWhole(options, { repository, staged, contents })
    const into = await kindOf(options, repository.id)
    const { backup, warehouse, fromLsn, toLsn } = contents
    const objects =
      into === 'other'
        ? await copyAcross(options, { repository, backup })
        : into === 'same'
          ? await putBack(options, { staged, backup })
          : await putAll(options, { staged, isNew: true })
    return { backup, warehouse, fromLsn, toLsn, into, objects }
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

interface Stream {
  readonly names: readonly string[]
  /** SHA-256 of everything before the last object. */
  readonly sha256: string
}

async function lay(options: ImportOptions, staged: FileStore): Promise<Stream> {
  const { signal } = options
  const names: string[] = []
  let ended: string | undefined
  let done = 0
  for await (const frame of readFrames(options.source)) {
    signal.throwIfAborted()
    if (ended !== undefined) throw errors.badExport({ why: 'it goes on after its contents' })
    const isContents = frame.name === CONTENTS
    if (!isContents && partOf(frame.name) === undefined)
      throw errors.badExport({ why: `${frame.name} is nothing that an export holds` })
    const writer = await staged.create(frame.name, { signal })
    try {
      for await (const piece of frame.content) {
        await writer.write(piece)
        options.report?.({ phase: 'reading', done: (done += piece.length), unit: 'bytes' })
      }
      await writer.finish()
    } catch (error) {
      await writer.abandon()
      throw error
    }
    if (isContents) ended = frame.before
    else names.push(frame.name)
  }
  if (ended === undefined) throw errors.badExport({ why: 'it ends before its contents' })
  return { names, sha256: ended }
}

/** The seal of the contents holds for the stream as it came: nothing was left out, added or exchanged. */
async function proveContents(
  repository: ReturnType<typeof asStored>,
  stream: Stream,
  signal: AbortSignal,
): Promise<Contents> {
  const contents = await readJson(
    { name: CONTENTS, kind: 'export', schema: contentsSchema },
    repository.readOptions(signal),
  )
  if (contents.sha256 !== stream.sha256 || contents.objects !== stream.names.length)
    throw errors.badExport({ why: 'its contents are those of another stream' })
  await repository.store.remove(CONTENTS, { signal })
  return contents
}

async function proveWhole(
  options: ImportOptions,
  of: { repository: Repository; staged: FileStore; contents: Contents },
): Promise<void> {
  const { signal, exportUnlock } = options
  const { repository, staged, contents } = of
  const { findings } = await checkRepository({
    store: staged,
    unlock: exportUnlock,
    depth: 'all',
    signal,
    progress: (event) => options.report?.({ ...event, phase: 'verifying' }),
  })
  const [first] = findings
  if (first) throw errors.badExport({ why: `${first.object}: ${first.message}` })
  const manifest = await repository.readManifest(contents.backup, signal)
  const span = { fromLsn: parseLsn(contents.fromLsn), toLsn: parseLsn(contents.toLsn) }
  const reached = await leads(repository, { ...manifest, ...span }, signal)
  if (reached < span.toLsn) throw errors.badExport({ why: `its WAL ends at ${formatLsn(reached)}` })
}

async function kindOf({ target, signal }: ImportOptions, id: string): Promise<Imported['into']> {
  if (!(await target.stat(FORMAT_OBJECT, { signal }))) return 'new'
  return (await readFormat({ store: target, signal })).repository === id ? 'same' : 'other'
}

async function copyAcross(options: ImportOptions, of: { repository: Repository; backup: string }): Promise<number> {
  const { signal, report } = options
  const to = await openRepository({ ...options, name: 'target', store: options.target })
  try {
    const parts = { from: of.repository, to, id: of.backup, wal: 'all', signal } as const
    const { packs, walChunks } = await copyBackup(report ? { ...parts, report } : parts)
    return packs + walChunks
  } finally {
    await to.close()
  }
}

/** Into the repository that it came from: what has expired there since is taken out of its tombstones first, under a lease that keeps later ones off. */
async function putBack(options: ImportOptions, of: { staged: FileStore; backup: string }): Promise<number> {
  const { signal, target } = options
  const { staged, backup } = of
  const there = asStored(await openRepository({ ...options, name: 'target', store: target }))
  try {
    await using _ = await there.beginReading({ purpose: `import of ${backup}`, signal })
    const names = new Set<string>()
    for await (const { name } of staged.list('', { signal })) names.add(name)
    const standing = await readStanding(there.readOptions(signal))
    const dead = [...standing.dead.keys()].filter((name) => names.has(name) || names.has(namedAs(objectOf(name))))
    const why = { by: options.holder, reason: 'imported again', what: `backup ${backup}`, standing }
    await revive(dead, why, there.readOptions(signal)).catch((error: unknown) => {
      if (!isWharfError(error, 'repository.too-late-to-revive')) throw error
      throw errors.importExpired({ id: backup, location: target.location }, { cause: error })
    })
    return await putAll(options, { staged, isNew: false })
  } finally {
    await there.close()
  }
}

/** As they are, in an order in which nothing is visible before everything that it needs is durable. What is there already with the same bytes is passed over. */
async function putAll(options: ImportOptions, of: { staged: FileStore; isNew: boolean }): Promise<number> {
  const { target, signal } = options
  const { staged, isNew } = of
  const byPart = new Map<Part, { name: string; bytes: number }[]>()
  let total = 0
  for await (const { name, bytes } of staged.list('', { signal })) {
    const part = partOf(name)!
    byPart.set(part, [...(byPart.get(part) ?? []), { name, bytes }])
    total += bytes
  }
  if (isNew) await requireRoom(target, staged, signal)
  let done = 0
  let put = 0
  // Keys of a repository that is there are its own business: a slot may have been removed since.
  for (const part of isNew
    ? (['data', 'keys', 'manifest', 'confirmation'] as const)
    : (['data', 'manifest', 'confirmation'] as const)) {
    // It makes a repository of the place: after its keys.
    const objects = (byPart.get(part) ?? []).toSorted(
      (one, other) => Number(one.name === FORMAT_OBJECT) - Number(other.name === FORMAT_OBJECT),
    )
    for (const { name, bytes } of objects) {
      signal.throwIfAborted()
      if (await putOne(target, { name, bytes, staged }, signal)) put++
      options.report?.({ phase: 'storing', done: (done += bytes), total, unit: 'bytes' })
    }
    await target.barrier({ signal })
  }
  return put
}

/** An empty store, or what an import of the same stream left there. */
async function requireRoom(target: ObjectStore, staged: FileStore, signal: AbortSignal): Promise<void> {
  await target.requireFit?.({ signal })
  for await (const { name } of target.list('', { signal }))
    if (!(await staged.stat(name, { signal }))) throw errors.notEmpty({ location: target.location, found: name })
}

async function putOne(
  target: ObjectStore,
  of: { name: string; bytes: number; staged: FileStore },
  signal: AbortSignal,
): Promise<boolean> {
  const { name, bytes, staged } = of
  const there = await target.stat(name, { signal })
  if (there) {
    if (there.bytes !== bytes || !(await isSame(target, of, signal)))
      throw errors.importConflict({ name, location: target.location })
    return false
  }
  const writer = await target.create(name, { signal })
  try {
    for (let offset = 0; offset < bytes; offset += COMPARE_BYTES)
      await writer.write(await staged.get(name, { signal, offset, length: COMPARE_BYTES }))
    await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
  return true
}

async function isSame(
  target: ObjectStore,
  { name, bytes, staged }: { name: string; bytes: number; staged: FileStore },
  signal: AbortSignal,
): Promise<boolean> {
  for (let offset = 0; offset < bytes; offset += COMPARE_BYTES) {
    const range = { signal, offset, length: COMPARE_BYTES }
    if (!(await target.get(name, range)).equals(await staged.get(name, range))) return false
  }
  return true
}
