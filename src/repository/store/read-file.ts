// Ranges of files: through the page cache, or past it into memory of the caller.
//
// What a restore reads once costs memory that is new to the kernel, which has to be zeroed or, on a virtual machine, had back from the host: 1.2 GB cold took 0.2 to
// 3.6 system CPU seconds through the cache and 0.1 past it.
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

import { ALIGNMENT } from '../../base/aligned-memory.ts'
import { codeOf } from '../../base/errors.ts'

export interface FileRange {
  readonly offset: number
  /** Default: to the end. */
  readonly length?: number | undefined
}

export async function readRange(path: string, { offset, length }: FileRange): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length ?? size, size - offset)))
    return buffer.subarray(0, await fill(handle, { buffer, offset, unit: 1 }))
  } finally {
    await handle.close()
  }
}

/** A view into `memory`, as GetOptions has it. Undefined where the system or the file system (tmpfs, some network file systems) has no such reads. */
export async function readRangeDirectly(
  path: string,
  { offset, length, memory }: { readonly offset: number; readonly length: number; readonly memory: Buffer },
): Promise<Buffer | undefined> {
  const before = offset % ALIGNMENT
  const whole = Math.ceil((before + length) / ALIGNMENT) * ALIGNMENT
  if (whole > memory.length || typeof constants.O_DIRECT !== 'number') return undefined
  let handle: FileHandle | undefined
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_DIRECT)
    const { size } = await handle.stat()
    const there = Math.max(0, Math.min(before + length, size - (offset - before)))
    const filled = await fill(handle, { buffer: memory.subarray(0, whole), offset: offset - before, unit: ALIGNMENT })
    // Cut short within a block: what is left cannot be read in this way.
    return filled < there ? undefined : memory.subarray(Math.min(before, there), there)
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')) throw error
    return undefined
  } finally {
    await handle?.close()
  }
}

/** Until the buffer is full, the file ends, or a read ends within a unit. */
async function fill(
  handle: FileHandle,
  { buffer, offset, unit }: { readonly buffer: Buffer; readonly offset: number; readonly unit: number },
): Promise<number> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, offset + filled)
    filled += bytesRead
    if (bytesRead === 0 || bytesRead % unit !== 0) break
  }
  return filled
}
