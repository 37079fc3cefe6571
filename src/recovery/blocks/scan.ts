// Blocks of a relation's fork whose pages are bad by themselves: checksum or header.
import { open } from 'node:fs/promises'
import { join } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import { BLOCK_BYTES, BLOCKS_PER_SEGMENT } from '../../wal/contract.ts'
import { verifyPage } from '../../wal/data-page.ts'
import { blockErrors as errors } from './errors.ts'

const PIECE_BLOCKS = 128

/** Numbers within the fork. What a running server is just writing may look bad: whoever heals looks again. */
export async function badBlocks(of: {
  readonly dataDirectory: string
  /** Path of the first segment. */
  readonly first: string
  readonly checksums: boolean
  readonly signal: AbortSignal
}): Promise<readonly number[]> {
  const found: number[] = []
  for (let segment = 0; ; segment++) {
    const path = join(of.dataDirectory, segment === 0 ? of.first : `${of.first}.${segment}`)
    const handle = await open(path, 'r').catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
      if (segment === 0) throw errors.blockNoFile(of.first)
      return undefined
    })
    if (!handle) return found
    await using opened = handle
    const piece = Buffer.alloc(PIECE_BLOCKS * BLOCK_BYTES)
    for (let at = 0; ;) {
      of.signal.throwIfAborted()
      const { bytesRead } = await opened.read(piece, 0, piece.length, at * BLOCK_BYTES)
      const blocks = Math.floor(bytesRead / BLOCK_BYTES)
      for (let index = 0; index < blocks; index++) {
        const block = segment * BLOCKS_PER_SEGMENT + at + index
        const verdict = verifyPage(piece, index * BLOCK_BYTES, { block, checksums: of.checksums })
        if (verdict === 'checksum' || verdict === 'header') found.push(block)
      }
      at += blocks
      if (blocks < PIECE_BLOCKS) break
    }
  }
}
