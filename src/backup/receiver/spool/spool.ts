// The synchronous spool: WAL is fsynced on this host before the server is told that it has been flushed. It goes on into the repositories as always; a
// file is removed when all of them have what is in it.
import { mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import { syncFolder } from '../../../base/durable.ts'
import { messageOf } from '../../../base/errors.ts'
import { MIB } from '../../../base/units.ts'
import type { Lsn } from '../../../wal/lsn.ts'
import { receiverErrors } from '../errors.ts'
import { encodeSpoolHead, frameHead, type SpoolHead } from './frames.ts'

/** A file that has grown to this is closed: the next frame begins another, and this one can go. */
const FILE_BYTES = 16 * MIB
const SUFFIX = '.spool'

/** Paths of spool files, in the order of their names, which is that of timeline and LSN. */
export async function spoolFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .map((name) => join(folder, name))
}

export interface SpoolParts extends SpoolHead {
  readonly folder: string
  /** Everything before is on disk. */
  readonly onFlushed: (lsn: Lsn) => void
  readonly onFailed: (error: Error) => void
}

interface SpoolFile {
  readonly path: string
  readonly handle: FileHandle
  bytes: number
  endLsn: Lsn
}

export class Spool implements AsyncDisposable {
  private readonly parts: SpoolParts
  private pending: Buffer[] = []
  private nextLsn: Lsn
  private working: Promise<void> | undefined
  private current: SpoolFile | undefined
  /** Full ones, oldest first. */
  private closed: { readonly path: string; readonly endLsn: Lsn }[] = []
  private failed = false
  flushedLsn: Lsn

  /** Files that are there belong to an earlier stretch: complete() comes first. */
  constructor(parts: SpoolParts) {
    this.parts = parts
    this.nextLsn = parts.startLsn
    this.flushedLsn = parts.startLsn
  }

  /** Copies the bytes. What comes while the disk is busy is written together, with one fsync. */
  add(bytes: Uint8Array): void {
    if (this.failed) return
    const own = Buffer.from(bytes)
    this.pending.push(frameHead(this.nextLsn, own), own)
    this.nextLsn += BigInt(own.length)
    this.working ??= this.work()
  }

  private async work(): Promise<void> {
    try {
      while (this.pending.length > 0) {
        const parts = this.pending
        const endLsn = this.nextLsn
        this.pending = []
        const file = await this.file()
        const bytes = Buffer.concat(parts)
        for (let at = 0; at < bytes.length;) at += (await file.handle.write(bytes, at)).bytesWritten
        await file.handle.datasync()
        file.bytes += bytes.length
        file.endLsn = endLsn
        this.flushedLsn = endLsn
        this.parts.onFlushed(endLsn)
      }
    } catch (error) {
      // What an fsync has failed to write may look written the next time: this file is never touched again, and nothing in hand is acknowledged.
      this.failed = true
      const { folder } = this.parts
      this.parts.onFailed(receiverErrors.spoolFailed({ folder, why: messageOf(error) }, { cause: error }))
    } finally {
      this.working = undefined
    }
  }

  private async file(): Promise<SpoolFile> {
    const { current } = this
    if (current && current.bytes < FILE_BYTES) return current
    if (current) await this.close(current)
    const { folder, timeline, shape } = this.parts
    const startLsn = this.flushedLsn
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const name = `${timeline.toString(16).padStart(8, '0')}-${startLsn.toString(16).padStart(16, '0')}`
    const { path, handle } = await this.create(name)
    await handle.writeFile(encodeSpoolHead({ shape, timeline, startLsn }))
    await handle.sync()
    await syncFolder(folder)
    this.current = { path, handle, bytes: 0, endLsn: startLsn }
    return this.current
  }

  /** A file of the same start may be left from a stretch that ended without a frame, or that failed. */
  private async create(name: string): Promise<{ path: string; handle: FileHandle }> {
    for (let copy = 0; ; copy++) {
      const path = join(this.parts.folder, `${name}-${copy}${SUFFIX}`)
      try {
        return { path, handle: await open(path, 'wx', 0o600) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || copy > 1000) throw error
      }
    }
  }

  private async close(file: SpoolFile): Promise<void> {
    this.current = undefined
    await file.handle.close()
    this.closed.push(file)
  }

  /** All repositories have everything before `lsn`: files that hold nothing else go. */
  async release(lsn: Lsn): Promise<void> {
    const done = this.closed.filter(({ endLsn }) => endLsn <= lsn)
    this.closed = this.closed.filter(({ endLsn }) => endLsn > lsn)
    for (const { path } of done) await rm(path, { force: true })
  }

  /** Waits for what is in hand. Files stay: whoever comes next completes them. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.working) await this.working
    if (this.current) await this.current.handle.close()
    this.current = undefined
  }
}
