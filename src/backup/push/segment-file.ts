// A file of pg_wal as it is on disk: whole, and of the place, timeline and cluster that its name and the server say.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { basename } from 'node:path'

import { messageOf } from '../../base/errors.ts'
import { LONG_HEADER_BYTES, pageFlags, pageMagics } from '../../wal/layouts.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { WalShape } from '../receiver/chunk-cutter.ts'
import { pushErrors } from './errors.ts'

export interface SegmentPlace {
  readonly timeline: number
  readonly startLsn: Lsn
}

export class SegmentFile implements Disposable {
  readonly path: string
  readonly bytes: number
  private readonly descriptor: number

  private constructor(path: string, descriptor: number) {
    this.path = path
    this.descriptor = descriptor
    this.bytes = fstatSync(descriptor).size
  }

  static open(path: string): SegmentFile {
    try {
      return new SegmentFile(path, openSync(path, 'r'))
    } catch (error) {
      throw pushErrors.badWalFile({ file: basename(path), why: messageOf(error) }, { cause: error })
    }
  }

  /** Exactly that many bytes: a short read is read on, an early end rejects. */
  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length;) {
      const count = readSync(this.descriptor, bytes, at, length - at, offset + at)
      if (count === 0) throw this.bad(`it ends after ${offset + at} bytes`)
      at += count
    }
    return bytes
  }

  /** Rejects a file of another size, cluster, version, place or timeline. A promoted server's first segment is a copy of its parent's. */
  check(place: SegmentPlace, shape: WalShape): void {
    if (this.bytes !== shape.segmentBytes) throw this.bad(`it has ${this.bytes} bytes instead of ${shape.segmentBytes}`)
    const head = this.read(0, LONG_HEADER_BYTES)
    const magic = head.readUInt16LE(0)
    if (magic !== pageMagics[shape.majorVersion]) throw this.bad(`its first page has the magic ${magic.toString(16)}`)
    if ((head.readUInt16LE(2) & pageFlags.longHeader) === 0) throw this.bad('its first page has a short header')
    const timeline = head.readUInt32LE(4)
    if (timeline > place.timeline || timeline === 0) throw this.bad(`its first page is of timeline ${timeline}`)
    const lsn = head.readBigUInt64LE(8)
    if (lsn !== place.startLsn) throw this.bad(`its first page says that it is at ${formatLsn(lsn)}`)
    const system = head.readBigUInt64LE(24)
    if (system !== shape.systemIdentifier) throw this.bad(`it belongs to the cluster ${system}`)
    if (head.readUInt32LE(32) !== shape.segmentBytes)
      throw this.bad(`its first page says that segments have ${head.readUInt32LE(32)} bytes`)
  }

  private bad(why: string): Error {
    return pushErrors.badWalFile({ file: basename(this.path), why })
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor)
  }
}
