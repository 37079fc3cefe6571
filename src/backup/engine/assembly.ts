// Collects what the copying threads bring: parts of segments become maps as soon as a segment is complete.
import type { CorruptBlock, ExtentRef, MapRef, SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import type { CopyResult, PlainCopied, SegmentCopied } from '../copy/messages.ts'
import { backupErrors } from '../errors.ts'
import { overlayMap, type FreshExtent } from '../plan/overlay.ts'
import { isIndispensable } from '../source/exclusions.ts'
import { NewMaps } from './new-maps.ts'

/** A segment whose parts are on their way. */
interface Expected {
  /** The plan's own string: what the threads send are copies of it. */
  readonly path: string
  readonly blockCount: number
  readonly parent: SegmentMap | undefined
  parts: number
  fresh: FreshExtent[]
  endedAt: number | undefined
  corrupt: CorruptBlock[]
  vanished: boolean
}

export class Assembly {
  readonly maps = new NewMaps()
  /** Segments that something may be laid over once more: their newest maps stay in memory. */
  readonly layered = new Map<string, SegmentMap | undefined>()
  /** Packs that new maps name. */
  readonly packs = new Set<string>()
  readonly plains = new Map<string, { bytes: number; sha256: string; extents: readonly ExtentRef[] | undefined }>()
  readonly corrupt: CorruptBlock[] = []
  /** Files that were gone when their turn came. */
  readonly vanished = new Set<string>()
  /** Segments that were to be shared and had to be read whole after all. */
  readonly readWhole = new Set<string>()
  /** Plain bytes newly stored: of segments, and of all other files. */
  newSegmentBytes = 0
  newPlainBytes = 0
  private readonly expected = new Map<string, Expected>()
  /** One string for each pack name instead of one for each extent. */
  private readonly packNames = new Map<string, string>()
  private readonly addMap: (map: SegmentMap) => Promise<MapRef>
  /** Maps are written one after the other; the first failure stays. */
  private writing: Promise<void> = Promise.resolve()

  constructor(addMap: (map: SegmentMap) => Promise<MapRef>) {
    this.addMap = addMap
  }

  /** Resolves when all maps that are complete have their places. */
  settled(): Promise<void> {
    return this.writing
  }

  /** Says that a segment's parts will come. A segment of no parts is complete at once. */
  expect(path: string, segment: { parts: number; blockCount: number; parent: SegmentMap | undefined }): void {
    const expected: Expected = { path, ...segment, fresh: [], endedAt: undefined, corrupt: [], vanished: false }
    if (segment.parts === 0) this.complete(expected)
    else this.expected.set(path, expected)
  }

  take(result: CopyResult): void {
    if (result.kind === 'plain') this.takePlain(result)
    else if (result.kind === 'segment') this.takePart(result)
    else if (result.kind === 'vanished') this.takeVanished(result.path)
  }

  private takePlain(result: PlainCopied): void {
    const extents = result.extents?.map((ref) => this.intern(ref))
    this.plains.set(result.path, { bytes: result.bytes, sha256: result.sha256, extents })
    if (extents) this.newPlainBytes += result.bytes
  }

  private takePart(result: SegmentCopied): void {
    const expected = this.expected.get(result.path)!
    for (const { ref, blocks } of result.fresh) expected.fresh.push({ ref: this.intern(ref), blocks })
    for (const one of result.corrupt) expected.corrupt.push(one)
    if (result.endedAt !== undefined) expected.endedAt = Math.min(expected.endedAt ?? Infinity, result.endedAt)
    this.newSegmentBytes += result.storedBlocks * BLOCK_BYTES
    this.partDone(expected)
  }

  private takeVanished(path: string): void {
    if (isIndispensable(path)) throw backupErrors.fileVanished({ path })
    const expected = this.expected.get(path)
    if (expected === undefined) {
      this.vanished.add(path)
      return
    }
    expected.vanished = true
    this.partDone(expected)
  }

  private partDone(expected: Expected): void {
    if (--expected.parts > 0) return
    this.expected.delete(expected.path)
    this.complete(expected)
  }

  private complete(expected: Expected): void {
    const { path } = expected
    if (expected.vanished) {
      this.vanished.add(path)
      return
    }
    // Cut while we copied: what is beyond is gone, and WAL after our start says so.
    const blockCount = Math.min(expected.blockCount, expected.endedAt ?? Infinity)
    const fresh = expected.fresh.toSorted((one, other) => one.blocks[0]! - other.blocks[0]!)
    this.write(overlayMap(path, blockCount, fresh, expected.parent))
    for (const one of expected.corrupt) if (one.block < blockCount) this.corrupt.push(one)
  }

  private write(map: SegmentMap): void {
    const number = this.maps.add(map.file, map.blockCount)
    if (this.layered.has(map.file)) this.layered.set(map.file, map)
    for (const extent of map.extents) this.packs.add(extent.pack)
    this.writing = this.writing.then(async () => {
      this.maps.place(number, await this.addMap(map))
    })
    this.writing.catch(() => {})
  }

  private intern(ref: ExtentRef): ExtentRef {
    const name = this.packNames.get(ref.pack)
    if (name === undefined) {
      this.packNames.set(ref.pack, ref.pack)
      return ref
    }
    return { ...ref, pack: name }
  }
}
