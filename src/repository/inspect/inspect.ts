// Any stored object, decoded for people: nothing secret, no data.
import { formatLsn } from '../../wal/lsn.ts'
import { readHead } from '../copies/head.ts'
import { parseCopyName } from '../copies/names.ts'
import { readCheckRecord } from '../check/records.ts'
import { errors } from '../errors.ts'
import { contentsSchema } from '../export/contents.ts'
import { FORMAT_OBJECT, readDataKey, readFormat, readSlot } from '../keys/store.ts'
import { prunePublicKeys, PRUNE_PREFIX, readPruneSlot } from '../keys/prune.ts'
import { readKept } from '../kept/head.ts'
import { readHold } from '../prune/holds.ts'
import { readRevival, readTombstone } from '../prune/standing.ts'
import { readReader } from '../lease/reader.ts'
import { readLease } from '../lease/lease.ts'
import { decodeMapSection } from '../map/bundle.ts'
import { readConfirmation } from '../manifest/confirmation.ts'
import { readNotice } from '../notice/notices.ts'
import { readProgress } from '../progress/notes.ts'
import { readManifest } from '../manifest/store.ts'
import { readDirectory, readObject, readSections, type ReadOptions } from '../object/decode.ts'
import { readJson } from '../object/json.ts'
import { HEAD_BYTES, type ObjectKind } from '../object/head.ts'
import { decodeExtentLabel } from '../pack/label.ts'
import { readChunkIndex } from '../wal/chunk.ts'
import { chunkInfo } from '../wal/names.ts'

export interface Inspected {
  readonly object: string
  readonly bytes: number
  readonly modifiedMs: number
  readonly kind: string
  readonly content: Readonly<Record<string, unknown>>
}

/** Rejects with `repository.unknown-object`, `.damaged-object`. */
export async function inspectObject(name: string, options: ReadOptions): Promise<Inspected> {
  const info = await options.store.stat(name, options)
  if (!info) throw errors.unknownObject({ name, location: options.store.location })
  const facts = { object: name, bytes: info.bytes, modifiedMs: info.modifiedMs }
  if (name === FORMAT_OBJECT) return { ...facts, kind: 'format', content: await readFormat(options) }
  if (name.startsWith('keys/repository-')) {
    const { wrapped: _, ...slot } = await readSlot(name, options)
    return { ...facts, kind: 'key slot', content: slot }
  }
  if (name.startsWith(PRUNE_PREFIX)) {
    const { wrapped: _, ...slot } = await readPruneSlot(name, options)
    return { ...facts, kind: 'prune key', content: slot }
  }
  if (name.startsWith('keys/')) {
    const { wrapped: _, ...key } = await readDataKey(name, options)
    return { ...facts, kind: 'data key', content: key }
  }
  const head = options.ring.openHead(await options.store.get(name, { ...options, offset: 0, length: HEAD_BYTES }), name)
  const { kind, objectId, sealing, dataKey } = head.head
  const sealed = { id: objectId.toString('hex'), sealing, ...(dataKey === 0 ? {} : { dataKey }) }
  const content = await readers[kind](name, { ...options, objectBytes: info.bytes })
  return { ...facts, kind, content: { ...sealed, ...content } }
}

type Reader = (name: string, options: ReadOptions & { objectBytes: number }) => Promise<Record<string, unknown>>

const readers: Record<ObjectKind, Reader> = {
  pack: async (name, options) => {
    const { entries } = await readDirectory(name, 'pack', options)
    return {
      extents: entries.flatMap((entry, number) => {
        // What a trimmed pack says of itself.
        if (entry.type !== 'extent') return []
        const { file, blocks } = decodeExtentLabel(entry.label, `the label of extent ${number}`)
        const { offset, storedBytes, plainBytes } = entry
        return [{ number, offset, storedBytes, plainBytes, file, blocks: formatBlocks(blocks) }]
      }),
    }
  },
  maps: async (name, options) => {
    const maps: object[] = []
    for await (const section of readSections(name, 'maps', options)) {
      const { file, blockCount, extents, runs } = decodeMapSection(section, name, `map ${section.number}`)
      maps.push({ offset: section.offset, bytes: section.storedBytes, file, blockCount, runs: runs.length, extents })
    }
    return { maps }
  },
  manifest: async (name, options) => {
    const { manifest, head } = await readManifest(name, options)
    const { startLsn, stopLsn, checkpointLsn, replayFromLsn, olderImages, files, ...rest } = manifest
    return {
      ...rest,
      startLsn: formatLsn(startLsn),
      stopLsn: formatLsn(stopLsn),
      checkpointLsn: formatLsn(checkpointLsn),
      replayFromLsn: formatLsn(replayFromLsn),
      olderImages: olderImages.map((one) => ({ ...one, lsn: formatLsn(one.lsn) })),
      files: files.map((file) => (file.kind === 'segment' ? { ...file, imageLsn: formatLsn(file.imageLsn) } : file)),
      leaseUntilMs: head.leaseUntilMs,
    }
  },
  wal: async (name, options) => {
    const info = chunkInfo({ name, bytes: options.objectBytes, modifiedMs: 0 })
    if (!info) throw errors.damagedObject({ object: name, reason: 'its name is not one of a WAL chunk' })
    const { head, changeMap, commits, contents } = await readChunkIndex(info, options)
    const changes = changeMap ? [...changeMap.entries()] : []
    return {
      ...head,
      contents,
      changeMap: changeMap && {
        startLsn: formatLsn(changeMap.startLsn),
        endLsn: formatLsn(changeMap.endLsn),
        doubts: changeMap.doubts,
        doubtfulDatabases: [...changeMap.doubtfulDatabases()],
        forks: changes.map(({ file, fork, change }) => ({
          ...file,
          fork,
          cut: change.cut,
          blocks: formatBlocks(change.blocks),
        })),
      },
      commits: commits.map((one) => ({ ...one, startLsn: formatLsn(one.startLsn), endLsn: formatLsn(one.endLsn) })),
    }
  },
  history: async (name, options) => ({
    content: (await readObject(name, 'history', options))[0]?.plain.toString('utf8'),
  }),
  lease: async (name, options) => ({ ...(await readLease(name, options)) }),
  notice: async (name, options) => ({ ...(await readNotice(name, options)) }),
  progress: async (name, options) => {
    const note = await readProgress(name, options)
    return { ...note, startLsn: formatLsn(note.startLsn) }
  },
  confirmation: async (name, options) => ({ ...(await readConfirmation(name, options)) }),
  export: async (name, options) => ({ ...(await readJson({ name, kind: 'export', schema: contentsSchema }, options)) }),
  checked: async (name, options) => ({ ...(await readCheckRecord(name, options)) }),
  copy: async (name, options) => {
    if (parseCopyName(name)?.table === undefined) return { ...(await readHead(name, options)) }
    const { entries } = await readDirectory(name, 'copy', options)
    return { sections: entries.length, bytes: entries.reduce((sum, entry) => sum + entry.plainBytes, 0) }
  },
  kept: async (name, options) => {
    const { systemIdentifier, lsn, xid, ...rest } = await readKept(name, options)
    return { ...rest, systemIdentifier, lsn: formatLsn(lsn), xid }
  },
  input: async (name, options) => {
    const { entries } = await readDirectory(name, 'input', options)
    return { sections: entries.length, bytes: entries.reduce((sum, entry) => sum + entry.plainBytes, 0) }
  },
  tombstone: async (name, options) => ({
    ...(await readTombstone({ name, modifiedMs: 0 }, await prunePublicKeys(options), options)),
  }),
  revival: async (name, options) => ({ ...(await readRevival(name, options)) }),
  hold: async (name, options) => ({ ...(await readHold(name, options)) }),
  reader: async (name, options) => ({ ...(await readReader(name, options)) }),
}

/** `0-127,200,300-301`; empty for none. */
export function formatBlocks(blocks: Uint32Array): string {
  const runs: string[] = []
  for (let at = 0; at < blocks.length;) {
    let next = at + 1
    while (next < blocks.length && blocks[next] === blocks[at]! + (next - at)) next++
    runs.push(next === at + 1 ? `${blocks[at]}` : `${blocks[at]}-${blocks[next - 1]}`)
    at = next
  }
  return runs.join(',')
}
