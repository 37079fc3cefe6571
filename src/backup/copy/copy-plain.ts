// One plain file (configuration, SLRU, filenode map, …): always read whole, stored unless it equals the parent's.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

import { MIB } from '../../base/units.ts'
import type { ExtentRef } from '../../repository/contract.ts'
import { missing, readError } from '../source/disk.ts'
import type { CopyTools } from './copy-segment.ts'
import type { CopyResult, GivenItem, PlainItem } from './messages.ts'

/** Files up to this size are held in memory and compared with the parent's hash before anything is stored. */
const COMPARED_BYTES = 16 * MIB
const NO_BLOCKS = new Uint32Array(0)

/** Exactly the bytes that were there when the file was listed, fewer if it has shrunk: WAL knows the rest. */
export async function copyPlain(item: PlainItem, tools: CopyTools): Promise<CopyResult> {
  const path = `${tools.directory}/${item.path}`
  let descriptor
  try {
    descriptor = openSync(path, 'r')
  } catch (error) {
    missing(error, path)
    return { kind: 'vanished', path: item.path }
  }
  try {
    const small = item.knownSha256 !== undefined && item.bytes <= COMPARED_BYTES
    return small ? await comparePlain(item, descriptor, tools) : await streamPlain(item, descriptor, tools)
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? readError(error, path) : error
  } finally {
    closeSync(descriptor)
  }
}

async function comparePlain(item: PlainItem, descriptor: number, tools: CopyTools): Promise<CopyResult> {
  const content = Buffer.allocUnsafe(item.bytes)
  const bytes = fill(descriptor, content, { offset: 0, onRead: tools.onRead })
  const sha256 = createHash('sha256').update(content.subarray(0, bytes)).digest('hex')
  const same = bytes === item.bytes && sha256 === item.knownSha256
  if (same) return { kind: 'plain', path: item.path, bytes, sha256, extents: undefined }
  return storeContent(item.path, { content: content.subarray(0, bytes), sha256 }, tools)
}

/** A file whose content came from the main thread. */
export async function copyGiven(item: GivenItem, tools: CopyTools): Promise<CopyResult> {
  const content = Buffer.from(item.content)
  return storeContent(item.path, { content, sha256: createHash('sha256').update(content).digest('hex') }, tools)
}

async function storeContent(
  path: string,
  file: { content: Buffer; sha256: string },
  tools: CopyTools,
): Promise<CopyResult> {
  const extents: ExtentRef[] = []
  const bytes = file.content.length
  for (let at = 0; at < bytes; at += MIB) {
    const plain = file.content.subarray(at, Math.min(bytes, at + MIB))
    extents.push(await tools.writer.append({ file: path, blocks: NO_BLOCKS, plain }))
  }
  return { kind: 'plain', path, bytes, sha256: file.sha256, extents }
}

async function streamPlain(item: PlainItem, descriptor: number, tools: CopyTools): Promise<CopyResult> {
  const hash = createHash('sha256')
  const extents: ExtentRef[] = []
  let bytes = 0
  while (bytes < item.bytes) {
    tools.throwIfStopped()
    const wanted = Math.min(MIB, item.bytes - bytes)
    const buffer = tools.nextBuffer()
    const got = fill(descriptor, buffer.subarray(0, wanted), { offset: bytes, onRead: tools.onRead })
    if (got > 0) {
      const plain = buffer.subarray(0, got)
      hash.update(plain)
      extents.push(await tools.writer.append({ file: item.path, blocks: NO_BLOCKS, plain }))
      bytes += got
    }
    if (got < wanted) break
  }
  return { kind: 'plain', path: item.path, bytes, sha256: hash.digest('hex'), extents }
}

function fill(descriptor: number, into: Buffer, at: { offset: number; onRead: (bytes: number) => void }): number {
  let filled = 0
  while (filled < into.length) {
    const got = readSync(descriptor, into, filled, into.length - filled, at.offset + filled)
    if (got === 0) break
    filled += got
    at.onRead(got)
  }
  return filled
}
