// What a pack holds, from its directory alone.
import type { PackExtent } from '../progress-contract.ts'
import { storeErrors as errors } from '../store-errors.ts'
import { damaged, readDirectory, type ReadOptions } from '../object/decode.ts'
import { decodeExtentLabel } from './label.ts'
import { packName } from './names.ts'

/** Rejects with `repository.damaged-object`, `.object-missing`. */
export async function readPackExtents(pack: string, options: ReadOptions): Promise<readonly PackExtent[]> {
  const name = packName(pack)
  const info = await options.store.stat(name, options)
  if (!info) throw errors.objectMissing({ name, location: options.store.location })
  const { entries } = await readDirectory(name, 'pack', { ...options, objectBytes: info.bytes })
  return entries.map((entry, number) => {
    if (entry.type !== 'extent') throw damaged(name, `section ${number} is no extent`)
    const { offset, storedBytes, plainBytes } = entry
    const { file, blocks } = decodeExtentLabel(entry.label, `the label of extent ${number} of ${name}`)
    return { ref: { pack, number, offset, storedBytes, plainBytes }, file, blocks }
  })
}
