// One backup with its WAL and the wrapped keys as one stream: objects as they are stored, sealed, so that nothing is opened on the way.
import type { Progress } from '../../base/operation.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { Manifest, ObjectInfo, Repository } from '../contract.ts'
import { asStored } from '../copy.ts'
import { errors } from '../errors.ts'
import { storeErrors } from '../store-errors.ts'
import { HEALED_PREFIX, replacedName } from '../heal/names.ts'
import { FORMAT_OBJECT, listKeys } from '../keys/store.ts'
import { confirmationName } from '../manifest/confirmation.ts'
import { manifestName } from '../manifest/store.ts'
import { encodeObject } from '../object/encode.ts'
import type { StoredRepository } from '../stored.ts'
import { packName } from '../pack/names.ts'
import { parseTrimmedName, TRIMMED_PREFIX } from '../pack/trimmed.ts'
import { parseHistoryName, systemPrefix } from '../wal/names.ts'
import { MIB } from '../../base/units.ts'
import { CONTENTS, leads, walSpan, type Contents } from './contents.ts'
import { FrameWriter, type Sink } from './stream.ts'

const READ_BYTES = 8 * MIB

export interface ExportOptions {
  readonly repository: Repository
  readonly id: string
  /** WAL beyond the stop of the backup, up to here. */
  readonly untilLsn?: Lsn | undefined
  readonly sink: Sink
  readonly report?: (event: Progress) => void
  readonly signal: AbortSignal
}

export interface Exported extends Omit<Contents, 'sha256'> {
  /** Of the whole stream. */
  readonly bytes: number
}

/** Rejects with `repository.wal-gap` before the first byte where the WAL has a hole, `.object-missing` where something is gone. */
export async function exportBackup(options: ExportOptions): Promise<Exported> {
  const { id, signal } = options
  const repository = asStored(options.repository)
  await using _ = await repository.beginReading({ purpose: `export ${id}`, signal })
  const manifest = await repository.readManifest(id, signal)
  const { timeline, systemIdentifier, warehouse } = manifest
  const span = walSpan(manifest, options.untilLsn)
  const reached = await leads(repository, { systemIdentifier, timeline, ...span }, signal)
  if (reached < span.toLsn)
    throw errors.walGap({ from: formatLsn(reached), timeline, location: repository.store.location })
  const objects = await choose(repository, { manifest, span }, signal)
  const total = objects.reduce((sum, one) => sum + one.bytes, 0)
  const writer = await FrameWriter.begin(options.sink)
  for (const one of objects) {
    options.report?.({ phase: 'exporting', done: Math.min(writer.bytes, total), total, unit: 'bytes', note: id })
    await writer.object(one.name, one.bytes, contentOf(repository, one, signal))
  }
  const contents: Contents = {
    backup: id,
    warehouse,
    timeline,
    fromLsn: formatLsn(span.fromLsn),
    toLsn: formatLsn(span.toLsn),
    objects: objects.length,
    sha256: writer.digest().toString('hex'),
  }
  const section = { type: 'export', label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify(contents)) } as const
  const sealed = Buffer.concat(encodeObject(repository.ring, { name: CONTENTS, kind: 'export' }, [section]))
  await writer.object(CONTENTS, sealed.length, pieceOf(sealed))
  const { sha256: _sha256, ...about } = contents
  return { ...about, bytes: writer.bytes }
}

/** Keys first, since what follows is opened with them; the manifest and what makes it count last. */
async function choose(
  repository: StoredRepository,
  of: { manifest: Manifest; span: { fromLsn: Lsn; toLsn: Lsn } },
  signal: AbortSignal,
): Promise<readonly ObjectInfo[]> {
  const { manifest, span } = of
  const { store } = repository
  const keys = await listKeys({ store, signal })
  const data = dataOf(manifest)
  for (const chunk of await repository.wal.list(manifest.systemIdentifier, signal))
    if (chunk.timeline >= manifest.timeline && chunk.endLsn > span.fromLsn && chunk.startLsn < span.toLsn)
      data.add(chunk.object)
  for await (const { name } of store.list(systemPrefix(manifest.systemIdentifier), { signal }))
    if (parseHistoryName(name)) data.add(name)
  const trimmed = new Map<string, string[]>()
  for await (const { name } of store.list(TRIMMED_PREFIX, { signal })) {
    const pack = parseTrimmedName(name)?.pack
    if (pack !== undefined && data.has(packName(pack)))
      trimmed.set(packName(pack), [...(trimmed.get(packName(pack)) ?? []), name])
  }
  for (const names of trimmed.values()) for (const name of names) data.add(name)
  const last = [manifestName(manifest.warehouse, manifest.id), confirmationName(manifest.warehouse, manifest.id)]
  const replaced: string[] = []
  for await (const { name } of store.list(HEALED_PREFIX, { signal })) {
    const original = replacedName(name)
    if (original !== undefined && (data.has(original) || last.includes(original))) replaced.push(name)
  }
  const infos: ObjectInfo[] = []
  for (const name of [FORMAT_OBJECT, ...keys.slots, ...keys.dataKeys, ...data, ...replaced, ...last]) {
    const info = await store.stat(name, { signal })
    // What is gone is read from its replacement, or from what was left of it.
    if (info) infos.push(info)
    else if (!trimmed.has(name) && !replaced.some((one) => replacedName(one) === name))
      throw storeErrors.objectMissing({ name, location: store.location })
  }
  return infos
}

function dataOf(manifest: Manifest): Set<string> {
  const names = new Set<string>()
  for (const file of manifest.files) if (file.kind === 'segment') names.add(file.map.object)
  for (const pack of manifest.packs) names.add(packName(pack))
  return names
}

async function* contentOf(
  { store }: StoredRepository,
  { name, bytes }: ObjectInfo,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes; offset += READ_BYTES)
    yield await store.get(name, { signal, offset, length: Math.min(READ_BYTES, bytes - offset) })
}

async function* pieceOf(bytes: Buffer): AsyncGenerator<Buffer> {
  await Promise.resolve()
  yield bytes
}
