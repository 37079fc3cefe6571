// A record may begin in the segment before: its beginning is read from pg_wal, where the server mostly still has it.
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { KIB } from '../../base/units.ts'
import { WalIndexer } from '../../wal/indexer.ts'
import { WAL_PAGE_BYTES } from '../../wal/layouts.ts'
import { RecordStream } from '../../wal/record-stream.ts'
import { parseWalFileName } from '../../wal/segments.ts'
import type { PrimedParser, WalShape } from '../receiver/chunk-cutter.ts'
import { SegmentFile, type SegmentPlace } from './segment-file.ts'

/** Most records are short: that much of the end tells where one starts. Then four times as much, up to the whole segment. */
const FIRST_TAIL_BYTES = 64 * KIB

/** Undefined where the segment before is gone, or holds no record's start: then the repository is asked. */
export function primeFromDisk(path: string, place: SegmentPlace, shape: WalShape): PrimedParser | undefined {
  for (const before of segmentsBefore(dirname(path), place, shape)) {
    try {
      using file = SegmentFile.open(before.path)
      file.check(before, shape)
      const found = fromTail(file, place, shape)
      if (found) return found
    } catch {
      // Recycled meanwhile: the next one, or the repository.
    }
  }
  return undefined
}

/** Files of the segment before `place`, on this timeline or an older one, the newest first. */
function segmentsBefore(folder: string, place: SegmentPlace, shape: WalShape): (SegmentPlace & { path: string })[] {
  const startLsn = place.startLsn - BigInt(shape.segmentBytes)
  const found: (SegmentPlace & { path: string })[] = []
  for (const name of readdirSync(folder)) {
    const parsed = parseWalFileName(name, shape.segmentBytes)
    if (parsed?.kind === 'segment' && parsed.startLsn === startLsn && parsed.timeline <= place.timeline)
      found.push({ timeline: parsed.timeline, startLsn, path: join(folder, name) })
  }
  return found.sort((one, other) => other.timeline - one.timeline)
}

function fromTail(file: SegmentFile, place: SegmentPlace, shape: WalShape): PrimedParser | undefined {
  for (let length = FIRST_TAIL_BYTES; ; length = Math.min(length * 4, shape.segmentBytes)) {
    const startLsn = place.startLsn - BigInt(length)
    const indexer = new WalIndexer(shape.majorVersion, startLsn)
    const { majorVersion, segmentBytes, systemIdentifier } = shape
    const stream = new RecordStream({ startLsn, majorVersion, segmentBytes, systemIdentifier }, indexer)
    for (let at = 0; at < length; at += 128 * WAL_PAGE_BYTES)
      stream.push(file.read(shape.segmentBytes - length + at, Math.min(128 * WAL_PAGE_BYTES, length - at)))
    // The tail of a switched segment is zeros, which are no pages: only the switch itself, further back, explains them.
    if (stream.problems.length === 0 && stream.synced && stream.recordCount > 0) {
      indexer.cut(place.startLsn)
      return { stream, indexer, continues: true }
    }
    if (length >= shape.segmentBytes) return undefined
  }
}
