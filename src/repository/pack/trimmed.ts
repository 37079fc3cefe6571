// Trimmed packs (doc/design/repository-format.md section 12a): what is left of a pack when extents that no backup names any more were left out. References
// to the pack stay as they are; a trimmed one says where each of its extents lies now.
import { z } from 'zod'

import type { ExtentRef, ObjectInfo } from '../contract.ts'
import { isReplaceable } from '../heal/fall-back.ts'
import { damaged, readDirectory, readSections, type ReadOptions } from '../object/decode.ts'
import { openFrame, openObjectHead } from '../object/decode.ts'
import { HEAD_BYTES } from '../object/head.ts'
import { Sealer } from '../object/sealer.ts'
import type { Section } from '../object/section.ts'

export const TRIMMED_PREFIX = 'trimmed/'
const NAME = /^trimmed\/([0-9a-f]{2})\/([0-9a-f]{32})\/(\d{6})$/

export function trimmedName(pack: string, generation: number): string {
  return `${trimmedPrefix(pack)}${String(generation).padStart(6, '0')}`
}

/** All trimmed ones of a pack lie under it, the newest last. */
export function trimmedPrefix(pack: string): string {
  return `${TRIMMED_PREFIX}${pack.slice(0, 2)}/${pack}/`
}

export function parseTrimmedName(name: string): { pack: string; generation: number } | undefined {
  const match = NAME.exec(name)
  return match && match[2]!.startsWith(match[1]!) ? { pack: match[2]!, generation: Number(match[3]) } : undefined
}

/** Number in the original pack, offset and stored bytes there. */
type Kept = readonly [number: number, offset: number, storedBytes: number]

const listSchema = z.strictObject({
  pack: z.string(),
  extents: z.array(z.tuple([z.number().int(), z.number().int(), z.number().int()])),
})

/** The first section: the extents that follow, in their order. */
export function trimmedSection(pack: string, extents: readonly Kept[]): Section {
  return { type: 'trimmed', label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify({ pack, extents })) }
}

export interface TrimmedPack {
  readonly name: string
  readonly bytes: number
  readonly pack: string
  /** By number in the original pack; offset, stored bytes and section are those here, `was` those there. */
  readonly extents: ReadonlyMap<number, TrimmedExtent>
}

export interface TrimmedExtent {
  readonly section: number
  readonly offset: number
  readonly storedBytes: number
  readonly plainBytes: number
  readonly label: Buffer
  readonly was: { readonly offset: number; readonly storedBytes: number }
}

/** Reads what it says of itself; the extents themselves are proven when they are read. */
export async function readTrimmed(
  object: Pick<ObjectInfo, 'name' | 'bytes'>,
  options: ReadOptions,
): Promise<TrimmedPack> {
  const { name, bytes } = object
  const parsed = parseTrimmedName(name)
  if (!parsed) throw damaged(name, 'its name is not one of a trimmed pack')
  const { entries } = await readDirectory(name, 'pack', { ...options, objectBytes: bytes })
  const [first, ...rest] = entries
  if (first?.type !== 'trimmed') throw damaged(name, 'it does not say what it holds')
  const { store, signal } = options
  const head = await store.get(name, { signal, offset: 0, length: HEAD_BYTES })
  const sealer = new Sealer(openObjectHead(options.ring, head, name, 'pack'), name)
  const frame = await store.get(name, { signal, offset: first.offset, length: first.storedBytes })
  const list = parseList(name, openFrame(sealer, frame, { name, number: 0 }))
  if (list.pack !== parsed.pack || list.extents.length !== rest.length || rest.some((one) => one.type !== 'extent'))
    throw damaged(name, 'it does not hold what it says')
  const extents = new Map<number, TrimmedExtent>()
  for (const [index, [number, offset, storedBytes]] of list.extents.entries()) {
    const entry = rest[index]!
    extents.set(number, {
      section: index + 1,
      offset: entry.offset,
      storedBytes: entry.storedBytes,
      plainBytes: entry.plainBytes,
      label: entry.label,
      was: { offset, storedBytes },
    })
  }
  return { name, bytes, pack: parsed.pack, extents }
}

function parseList(name: string, section: Section): z.infer<typeof listSchema> {
  const parsed =
    section.type === 'trimmed' ? listSchema.safeParse(JSON.parse(section.plain.toString('utf8'))) : undefined
  if (!parsed?.success) throw damaged(name, 'it does not say what it holds')
  return parsed.data
}

/** Every byte of it. */
export async function proveTrimmed(name: string, options: ReadOptions): Promise<void> {
  for await (const section of readSections(name, 'pack', options)) {
    if (section.type !== (section.number === 0 ? 'trimmed' : 'extent'))
      throw damaged(name, `section ${section.number} is out of place`)
  }
}

/** The trimmed ones of a pack, the newest first. */
export async function trimmedOf(pack: string, options: Pick<ReadOptions, 'store' | 'signal'>): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = []
  for await (const object of options.store.list(trimmedPrefix(pack), options))
    if (parseTrimmedName(object.name)) found.push(object)
  return found.toReversed()
}

/** Those of a pack that can be read, the newest first: one that has just gone, or is damaged, stands in for nothing. */
export async function readableTrimmed(pack: string, options: ReadOptions): Promise<readonly TrimmedPack[]> {
  const found: TrimmedPack[] = []
  for (const object of await trimmedOf(pack, options)) {
    try {
      found.push(await readTrimmed(object, options))
    } catch (error) {
      if (!isReplaceable(error)) throw error
    }
  }
  return found
}

/** Whether it holds the extent that the reference means. */
export function holds(trimmed: TrimmedPack, ref: Pick<ExtentRef, 'number' | 'offset' | 'storedBytes'>): boolean {
  const was = trimmed.extents.get(ref.number)?.was
  return was !== undefined && was.offset === ref.offset && was.storedBytes === ref.storedBytes
}
