// The bytes of an input file: hashed as they pass, unpacked where they are gzip, and proven not to have changed while they were read.
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { codeOf, messageOf } from '../../base/errors.ts'
import { errors } from '../errors.ts'
import type { FoundFile } from '../source/find.ts'

const CHUNK_BYTES = 1024 * 1024

export class InputBytes implements AsyncDisposable {
  /** Bytes of the file read so far. */
  read = 0
  private readonly file: FoundFile
  private readonly handle: FileHandle
  private readonly hash = createHash('sha256')
  private readonly signal: AbortSignal

  private constructor(file: FoundFile, handle: FileHandle, signal: AbortSignal) {
    this.file = file
    this.handle = handle
    this.signal = signal
  }

  static async open(file: FoundFile, signal: AbortSignal): Promise<InputBytes> {
    try {
      return new InputBytes(file, await open(file.path, 'r'), signal)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw errors.changedMeanwhile(file.name, { cause: error })
      const reason = codeOf(error) === 'EACCES' ? 'permission denied' : messageOf(error)
      throw errors.unreadable({ file: file.path, reason }, { cause: error })
    }
  }

  /** Plain bytes, unpacked if the file is gzip (by its first two bytes, not by its name). */
  async *chunks(): AsyncGenerator<Buffer> {
    const magic = Buffer.alloc(2)
    await this.handle.read(magic, 0, 2, 0)
    if (magic.readUInt16BE(0) !== 0x1f8b) {
      yield* this.raw()
      return
    }
    const unpacked = createGunzip({ chunkSize: 256 * 1024 })
    // What breaks the one side breaks the other: the loop below sees it.
    pipeline(Readable.from(this.raw(), { objectMode: false, highWaterMark: CHUNK_BYTES }), unpacked).catch(() => {})
    try {
      for await (const chunk of unpacked) yield chunk as Buffer
    } catch (error) {
      if (!codeOf(error)?.startsWith('Z_')) throw error
      throw errors.badGzip({ file: this.file.name, reason: messageOf(error) }, { cause: error })
    }
  }

  private async *raw(): AsyncGenerator<Buffer> {
    for (;;) {
      this.signal.throwIfAborted()
      const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, this.read)
      if (bytesRead === 0) return
      const chunk = buffer.subarray(0, bytesRead)
      this.read += bytesRead
      this.hash.update(chunk)
      yield chunk
    }
  }

  /** After the last chunk. Rejects with `loads.changed-meanwhile` if the file is not what it was when it was found. */
  async finish(): Promise<{ sha256: string; bytes: number }> {
    const about = await this.handle.stat()
    const isSame =
      about.size === this.file.bytes && this.read === about.size && Math.trunc(about.mtimeMs) === this.file.modifiedMs
    if (!isSame) throw errors.changedMeanwhile(this.file.name)
    return { sha256: this.hash.digest('hex'), bytes: this.read }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close()
  }
}
