// Chunks of WAL as the store holds them: listed, and read from another copy of the range where one is damaged.
import { isWharfError } from '../../base/errors.ts'
import type { WalChunkInfo } from '../contract.ts'
import type { ReadOptions } from '../object/decode.ts'
import { chunkInfo, chunkName } from './names.ts'
import { compareChunks } from './ranges.ts'

/** More copies of one range than this were never needed: each but the last is damaged. */
export const MOST_COPIES = 9

/** `after`: see ObjectStore.list(). */
export async function listChunks(prefix: string, options: ReadOptions, after?: string): Promise<WalChunkInfo[]> {
  const chunks: WalChunkInfo[] = []
  for await (const object of options.store.list(prefix, { signal: options.signal, after })) {
    const info = chunkInfo(object)
    if (info) chunks.push(info)
  }
  return chunks.sort(compareChunks)
}

/** Where the object is damaged and the same range was put again, the copy serves. */
export async function orCopy<T>(
  info: WalChunkInfo,
  options: ReadOptions,
  read: (one: WalChunkInfo) => Promise<T>,
): Promise<T> {
  try {
    return await read(info)
  } catch (error) {
    if (!isWharfError(error, 'repository.damaged-object')) throw error
    for (let copy = 1; copy <= MOST_COPIES; copy++) {
      const object = chunkName(info, copy)
      if (object === info.object || !(await options.store.stat(object, options))) continue
      const found = await read({ ...info, object }).catch(() => undefined)
      if (found !== undefined) return found
    }
    throw error
  }
}
