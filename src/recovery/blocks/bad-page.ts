// The bytes of a block on disk: read, kept aside, written over.
import { open } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import type { WantedBlock } from './wanted.ts'

/** Undefined where there is no such file, and beyond its end. */
export async function readBlock(dataDirectory: string, { path, inFile }: WantedBlock): Promise<Buffer | undefined> {
  const opened = await open(join(dataDirectory, path), 'r').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (!opened) return undefined
  await using handle = opened
  const page = Buffer.alloc(BLOCK_BYTES)
  const { bytesRead } = await handle.read(page, 0, BLOCK_BYTES, inFile * BLOCK_BYTES)
  return bytesRead === BLOCK_BYTES ? page : undefined
}

/** Keeps the page as it was, durably; resolves to the path of the file. */
export async function keepPage(folder: string, of: { block: WantedBlock; page: Buffer; at: string }): Promise<string> {
  const { path, inFile } = of.block
  const name = `${of.at.replaceAll(/[:.]/g, '')}-${path.replaceAll('/', '_')}-${inFile}.page`
  const file = join(folder, name)
  await writeFileDurably(file, of.page)
  return file
}

/** Durable when it resolves. */
export async function writeBlock(dataDirectory: string, { path, inFile }: WantedBlock, page: Buffer): Promise<void> {
  await using handle = await open(join(dataDirectory, path), 'r+')
  for (let done = 0; done < BLOCK_BYTES;) {
    const { bytesWritten } = await handle.write(page, done, BLOCK_BYTES - done, inFile * BLOCK_BYTES + done)
    done += bytesWritten
  }
  await handle.sync()
}
