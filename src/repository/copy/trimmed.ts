// Copying where packs were trimmed, on either side: each repository leaves out what its own backups do not name.
import { isWharfError } from '../../base/errors.ts'
import type { Manifest } from '../contract.ts'
import { damaged, readSections, type ReadOptions } from '../object/decode.ts'
import { ObjectStream } from '../object/encode.ts'
import { packName } from '../pack/names.ts'
import {
  holds,
  parseTrimmedName,
  proveTrimmed,
  readTrimmed,
  TRIMMED_PREFIX,
  trimmedName,
  trimmedOf,
  trimmedSection,
} from '../pack/trimmed.ts'
import { NamedExtents } from '../prune/extents.ts'
import { supersededName } from '../prune/names.ts'
import { revive } from '../prune/revive.ts'
import { readStanding } from '../prune/standing.ts'
import { manifestName } from '../manifest/store.ts'
import { translateExtent } from './refs.ts'

/**
 * Packs of the manifest that the target holds trimmed: `whole`: with all that the backup names of them; `lacking`: without some of it. What is about to go there because it
 * was trimmed is kept. Rejects with `repository.too-late-to-revive`: then the next copy finds it gone.
 */
export async function lookAtTrimmed(
  manifest: Pick<Manifest, 'id' | 'warehouse' | 'packs'>,
  from: ReadOptions,
  to: ReadOptions,
): Promise<{ whole: ReadonlySet<string>; lacking: ReadonlySet<string> }> {
  const [whole, lacking] = [new Set<string>(), new Set<string>()]
  const there = new Set<string>()
  for await (const { name } of to.store.list(TRIMMED_PREFIX, to)) {
    const parsed = parseTrimmedName(name)
    if (parsed) there.add(parsed.pack)
  }
  const packs = new Set(manifest.packs.filter((id) => there.has(id)))
  if (packs.size === 0) return { whole, lacking }
  const named = await new NamedExtents(from).union([{ object: manifestName(manifest.warehouse, manifest.id) }], packs)
  for (const pack of packs) {
    const refs = [...(named.get(pack)?.values() ?? [])]
    const wanted = refs.map((ref) => translateExtent(ref, from.ring.sealing, to.ring.sealing))
    const [newest] = await trimmedOf(pack, to)
    const trimmed = newest && (await readTrimmed(newest, to))
    if (trimmed && wanted.every((ref) => holds(trimmed, ref))) whole.add(pack)
    else lacking.add(pack)
  }
  await keep(lacking, manifest.id, to)
  return { whole, lacking }
}

async function keep(packs: ReadonlySet<string>, id: string, to: ReadOptions): Promise<void> {
  if (packs.size === 0) return
  const standing = await readStanding(to)
  const names = [...packs].map((pack) => supersededName(packName(pack)))
  await revive(names, { by: 'copy', reason: `needed by ${id}`, what: `data of ${id}`, standing }, to)
}

/** The newest trimmed one of a pack, under the next free name. Undefined where the source has none. Bytes in the target; durable after a barrier. */
export async function copyTrimmed(id: string, from: ReadOptions, to: ReadOptions): Promise<number | undefined> {
  const [newest] = await trimmedOf(id, from)
  if (!newest) return undefined
  const source = await readTrimmed(newest, from)
  const [there] = await trimmedOf(id, to)
  const name = trimmedName(id, there ? parseTrimmedName(there.name)!.generation + 1 : 1)
  const objectId = Buffer.from(id, 'hex')
  const stream = await ObjectStream.create(to.store, to.ring, { name, kind: 'pack', objectId, signal: to.signal })
  try {
    const kept = [...source.extents].map(([number, { was, plainBytes }]) => {
      const ref = translateExtent({ pack: id, number, plainBytes, ...was }, from.ring.sealing, to.ring.sealing)
      return [number, ref.offset, ref.storedBytes] as const
    })
    await stream.add(trimmedSection(id, kept), true)
    for await (const section of readSections(source.name, 'pack', from)) {
      if (section.number === 0) continue
      if (section.type !== 'extent') throw damaged(source.name, `section ${section.number} is no extent`)
      // A view into the window that is read next: the stream writes behind.
      await stream.addBody(section, Buffer.from(section.body))
    }
    const { bytes } = await stream.finish()
    await proveTrimmed(name, to)
    return bytes
  } catch (error) {
    await stream.abandon()
    throw error
  }
}

export const isMissing = (error: unknown): boolean => isWharfError(error, 'repository.object-missing')
