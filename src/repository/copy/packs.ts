// Copies packs: every section is opened, decoded and sealed anew for the target; bodies are not compressed again.
import { isWharfError } from '../../base/errors.ts'
import { errors } from '../errors.ts'
import { orReplacement } from '../heal/fall-back.ts'
import { damaged, readDirectory, readSections, type ReadOptions } from '../object/decode.ts'
import { ObjectStream } from '../object/encode.ts'
import { packName } from '../pack/names.ts'
import { copyTrimmed, isMissing } from './trimmed.ts'

export interface PackCopy {
  readonly id: string
  readonly from: ReadOptions
  readonly to: ReadOptions
  /** Name in the target; default: that of the pack. */
  readonly name?: string
}

/** Bytes in the target. Rejects with the damage of the source, `repository.object-exists`, or what the stores say. Durable after a barrier. */
export async function copyPack({ id, from, to, name = packName(id) }: PackCopy): Promise<number> {
  const bytes = await orReplacement(packName(id), from, (source) => copyFrom(source, { id, name, from, to })).catch(
    async (error: unknown) => {
      // Trimmed in the source: then that is what there is to copy.
      if (!isMissing(error)) throw error
      return { trimmed: await copyTrimmed(id, from, to), error }
    },
  )
  if (typeof bytes !== 'number') {
    if (bytes.trimmed === undefined) throw bytes.error
    return bytes.trimmed
  }
  await readBack(name, bytes, to)
  return bytes
}

async function copyFrom(source: string, at: Required<PackCopy>): Promise<number> {
  const { store, ring, signal } = at.to
  const objectId = Buffer.from(at.id, 'hex')
  const stream = await ObjectStream.create(store, ring, { name: at.name, kind: 'pack', objectId, signal })
  try {
    for await (const section of readSections(source, 'pack', at.from)) {
      if (section.type !== 'extent') throw damaged(source, `section ${section.number} is no extent`)
      // A view into the window that is read next: the stream writes behind.
      await stream.addBody(section, Buffer.from(section.body))
    }
    return (await stream.finish()).bytes
  } catch (error) {
    await stream.abandon()
    throw error
  }
}

async function readBack(name: string, bytes: number, to: ReadOptions): Promise<void> {
  const info = await to.store.stat(name, to)
  if (info?.bytes !== bytes) {
    const reason = `the store holds ${info?.bytes ?? 'none'} of ${bytes} bytes just written`
    throw errors.damagedObject({ object: name, reason })
  }
  await readDirectory(name, 'pack', { ...to, objectBytes: bytes })
}

/**
 * True where the target holds the pack, put there by a copy that was interrupted: it is made durable by the next barrier. A put that is refused is how a
 * store is told to answer for what is there.
 */
export async function settlePack(id: string, to: ReadOptions): Promise<boolean> {
  const name = packName(id)
  const { store, signal } = to
  if (!(await store.stat(name, { signal }))) return false
  try {
    await store.put(name, [Buffer.alloc(0)], { signal })
  } catch (error) {
    if (isWharfError(error, 'repository.object-exists')) return true
    throw error
  }
  // It went away in between: what was put in its place must not stay.
  await store.remove(name, { signal })
  return false
}
