// One plain file (configuration, SLRU, filenode map, …): always read whole, stored unless it equals the parent's.
import { createHash } from 'node:crypto'

import { codeOf } from '../../base/errors.ts'
import { MIB } from '../../base/units.ts'
import type { ExtentRef } from '../../repository/contract.ts'
import { readError } from '../source/disk.ts'
import type { OpenFile, Stretch } from '../source/reading.ts'
import type { CopyTools } from './copy-segment.ts'
import type { CopyResult, GivenItem, PlainItem } from './messages.ts'

/** Files up to this size are held in memory and compared with the parent's hash before anything is stored. */
const COMPARED_BYTES = 16 * MIB
const NO_BLOCKS = new Uint32Array(0)

/** Exactly the bytes that were there when the file was listed, fewer if it has shrunk: WAL knows the rest. */
export async function copyPlain(item: PlainItem, tools: CopyTools): Promise<CopyResult> {
  using file = tools.source.open(item.path)
  if (file === undefined) return { kind: 'vanished', path: item.path }
  try {
    const small = item.knownSha256 !== undefined && item.bytes <= COMPARED_BYTES
    return small ? await comparePlain(item, file, tools) : await streamPlain(item, file, tools)
  } catch (error) {
    throw codeOf(error) === 'EIO' ? readError(error, file.path) : error
  }
}

async function comparePlain(item: PlainItem, file: OpenFile, tools: CopyTools): Promise<CopyResult> {
  const content = Buffer.allocUnsafe(item.bytes)
  const bytes = await fill(file, { offset: 0, into: content }, tools)
  if (bytes === undefined) return { kind: 'vanished', path: item.path }
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

async function streamPlain(item: PlainItem, file: OpenFile, tools: CopyTools): Promise<CopyResult> {
  const hash = createHash('sha256')
  const extents: ExtentRef[] = []
  let bytes = 0
  while (bytes < item.bytes) {
    tools.throwIfStopped()
    const wanted = Math.min(MIB, item.bytes - bytes)
    const buffer = tools.nextBuffer()
    const got = await fill(file, { offset: bytes, into: buffer.subarray(0, wanted) }, tools)
    if (got === undefined) return { kind: 'vanished', path: item.path }
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

async function fill(file: OpenFile, stretch: Stretch, tools: CopyTools): Promise<number | undefined> {
  await tools.pace(stretch.into.length)
  const got = (await file.read([stretch]))?.[0]
  tools.onRead(got ?? 0)
  return got
}
