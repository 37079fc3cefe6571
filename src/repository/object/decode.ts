// Reads sealed objects, verifying every byte on the way: head, seals, checksums, directory, tail, and that nothing lies between or after.
import { ByteReader } from '../../base/bytes.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { KIB, MIB } from '../../base/units.ts'
import type { ObjectStore } from '../contract.ts'
import { errors } from '../errors.ts'
import type { KeyRing, OpenedHead } from '../keys/ring.ts'
import { decodeTail, encodeTail, HEAD_BYTES, TAIL_BYTES, type ObjectKind } from './head.ts'
import { DIRECTORY_NUMBER, FRAME_HEAD_BYTES, Sealer } from './sealer.ts'
import {
  BODY_HEAD_BYTES,
  BodyError,
  decodeBody,
  LARGEST_PLAIN_BYTES,
  sectionTypes,
  type Section,
  type SectionType,
} from './section.ts'

import { isShadowLike, otherVersions, withVersions } from './versions.ts'

export interface StoredSection extends Section {
  readonly number: number
  readonly offset: number
  readonly storedBytes: number
  /** The frame as stored; a view. */
  readonly frame: Buffer
  /** The body as it was sealed: what a copy is made of without compressing again. */
  readonly body: Buffer
}

export interface ReadOptions {
  readonly store: ObjectStore
  readonly ring: KeyRing
  readonly signal: AbortSignal
}

export interface ReadSectionsOptions extends ReadOptions {
  /** Bytes of the object, where they are known and all of it is wanted: what is not too large comes by one read then. */
  readonly objectBytes?: number | undefined
}

/** Bytes of the first range read; enough for heads of manifests and the index of most WAL chunks. */
export const FIRST_READ_BYTES = 64 * KIB
const READ_BYTES = 4 * MIB
/** An object up to this size may come whole. */
const LARGEST_FIRST_READ_BYTES = 8 * MIB
const LARGEST_BODY_BYTES = LARGEST_PLAIN_BYTES + MIB

/** `expected` missing: any kind. */
export function openObjectHead(ring: KeyRing, bytes: Buffer, name: string, expected?: ObjectKind): OpenedHead {
  const opened = ring.openHead(bytes, name)
  if (expected && opened.head.kind !== expected)
    throw damaged(name, `it is of kind ${opened.head.kind}, not ${expected}`)
  if (opened.head.kind === 'pack' || opened.head.kind === 'maps') {
    const id = opened.head.objectId.toString('hex')
    // A trimmed pack has the id of its pack in the middle of its name.
    if (!name.endsWith(`/${id}`) && !name.includes(`/${id}/`)) throw damaged(name, `it is ${id} under another name`)
  }
  return opened
}

export function damaged(name: string, reason: string): Error {
  return errors.damagedObject({ object: name, reason }, { place: { object: name } })
}

/** Opens and decodes one frame. Errors name object and section. */
export function openFrame(
  sealer: Sealer,
  frame: Buffer,
  at: { name: string; number: number },
): Section & { readonly body: Buffer } {
  const label = at.number === DIRECTORY_NUMBER ? 'its directory' : `section ${at.number}`
  const body = sealer.open(frame, at.number)
  if (!body) throw damaged(at.name, `the seal of ${label} does not hold`)
  try {
    return { ...decodeBody(body), body }
  } catch (error) {
    if (error instanceof BodyError) throw damaged(at.name, `${label}: ${error.message}`)
    throw error
  }
}

/**
 * All sections of an object in order. Only when it ends is the whole object proven; who stops early has verified what was read.
 * The object is read in ranges, so that its size does not matter. Where somebody put another version over it, the original is read.
 */
export async function* readSections(
  name: string,
  kind: ObjectKind | undefined,
  options: ReadSectionsOptions,
): AsyncGenerator<StoredSection> {
  let given = 0
  const from = async function* (store: ObjectStore): AsyncGenerator<StoredSection> {
    for await (const section of readOnce(name, kind, { ...options, store })) {
      // What was given was under its seal: the rest follows from the version that has it.
      if (section.number < given) continue
      given++
      yield section
    }
  }
  try {
    yield* from(options.store)
  } catch (error) {
    if (!isShadowLike(error)) throw error
    for await (const view of otherVersions(name, options)) {
      try {
        yield* from(view)
        return
      } catch (again) {
        if (!isShadowLike(again)) throw again
      }
    }
    throw error
  }
}

/** One byte more than there should be: that nothing follows is found out by the same read. */
function firstReadBytes({ objectBytes = 0 }: ReadSectionsOptions): number {
  return objectBytes < LARGEST_FIRST_READ_BYTES ? Math.max(FIRST_READ_BYTES, objectBytes + 1) : FIRST_READ_BYTES
}

/** The sections of what the store shows under the name. */
async function* readOnce(
  name: string,
  kind: ObjectKind | undefined,
  options: ReadSectionsOptions,
): AsyncGenerator<StoredSection> {
  const window = new Window(name, options)
  const opened = openObjectHead(options.ring, await window.take(0, HEAD_BYTES, firstReadBytes(options)), name, kind)
  const sealer = new Sealer(opened, name)
  const seen: { type: SectionType; storedBytes: number; plainBytes: number; label: Buffer }[] = []
  let offset = HEAD_BYTES
  for (let number = 0; ; number++) {
    const frameHead = await window.take(offset, FRAME_HEAD_BYTES)
    if (frameHead.length < FRAME_HEAD_BYTES) throw damaged(name, `it ends before section ${number}`)
    const isDirectory = frameHead.readUInt32LE(0) === DIRECTORY_NUMBER
    const bodyBytes = frameHead.readUInt32LE(4)
    if (bodyBytes > LARGEST_BODY_BYTES || bodyBytes < BODY_HEAD_BYTES)
      throw damaged(name, `section ${number} claims ${bodyBytes} bytes`)
    const storedBytes = FRAME_HEAD_BYTES + bodyBytes + sealer.sealBytes
    const frame = await window.take(offset, storedBytes)
    if (frame.length < storedBytes) throw damaged(name, `it ends within section ${number}`)
    const section = openFrame(sealer, frame, { name, number: isDirectory ? DIRECTORY_NUMBER : number })
    if (isDirectory) {
      compareDirectory(name, section, seen)
      await checkTail(window, { name, directoryOffset: offset, directoryBytes: storedBytes, sections: number })
      return
    }
    if (section.type === 'directory') throw damaged(name, `section ${number} is a directory out of place`)
    seen.push({ type: section.type, storedBytes, plainBytes: section.plain.length, label: Buffer.from(section.label) })
    yield { ...section, number, offset, storedBytes, frame }
    offset += storedBytes
  }
}

/** All sections at once, the whole object proven. For objects that fit in memory. */
export async function readObject(
  name: string,
  kind: ObjectKind | undefined,
  options: ReadOptions,
): Promise<StoredSection[]> {
  const sections: StoredSection[] = []
  for await (const section of readSections(name, kind, options)) sections.push(section)
  return sections
}

export interface DirectoryEntry {
  readonly type: SectionType
  readonly offset: number
  readonly storedBytes: number
  readonly plainBytes: number
  readonly label: Buffer
}

/** Head, directory and tail of an object, without its other sections. `objectBytes` by the store. */
export function readDirectory(
  name: string,
  kind: ObjectKind | undefined,
  options: ReadOptions & { objectBytes: number },
): Promise<{ opened: OpenedHead; entries: readonly DirectoryEntry[] }> {
  return withVersions(name, options, async (store) => {
    const objectBytes =
      store === options.store ? options.objectBytes : ((await store.stat(name, options))?.bytes ?? options.objectBytes)
    return readDirectoryOnce(name, kind, { ...options, store, objectBytes })
  })
}

async function readDirectoryOnce(
  name: string,
  kind: ObjectKind | undefined,
  options: ReadOptions & { objectBytes: number },
): Promise<{ opened: OpenedHead; entries: readonly DirectoryEntry[] }> {
  const { store, signal, objectBytes } = options
  const opened = openObjectHead(
    options.ring,
    await store.get(name, { signal, offset: 0, length: HEAD_BYTES }),
    name,
    kind,
  )
  if (objectBytes < HEAD_BYTES + TAIL_BYTES) throw damaged(name, `it has only ${objectBytes} bytes`)
  const tailBytes = await store.get(name, { signal, offset: objectBytes - TAIL_BYTES, length: TAIL_BYTES + 1 })
  if (tailBytes.length !== TAIL_BYTES) throw damaged(name, 'its length changed while it was read')
  const tail = decodeTail(tailBytes, name, objectBytes)
  const frame = await store.get(name, { signal, offset: tail.directoryOffset, length: tail.directoryBytes })
  const section = openFrame(new Sealer(opened, name), frame, { name, number: DIRECTORY_NUMBER })
  const entries = decodeDirectory(name, section)
  const last = entries.at(-1)
  const end = last ? last.offset + last.storedBytes : HEAD_BYTES
  if (entries.length !== tail.sections || end !== tail.directoryOffset)
    throw damaged(name, 'directory and tail disagree')
  return { opened, entries }
}

const namesByNumber = new Map<number, SectionType>(
  Object.entries(sectionTypes).map(([key, value]) => [value, key as SectionType]),
)

function decodeDirectory(name: string, section: Section): DirectoryEntry[] {
  if (section.type !== 'directory') throw damaged(name, 'its directory is of another type')
  try {
    const reader = new ByteReader(section.plain, `the directory of ${name}`)
    const entries: DirectoryEntry[] = []
    let offset = HEAD_BYTES
    for (let left = reader.varint(); left > 0; left--) {
      const type = namesByNumber.get(reader.u8())
      if (type === undefined) throw damaged(name, 'its directory has an unknown section type')
      const storedBytes = reader.varint()
      entries.push({ type, offset, storedBytes, plainBytes: reader.varint(), label: reader.bytes(reader.varint()) })
      offset += storedBytes
    }
    if (reader.remaining > 0) throw damaged(name, 'its directory is longer than it should be')
    return entries
  } catch (error) {
    if (isWharfError(error, 'bytes.past-end')) throw damaged(name, messageOf(error))
    throw error
  }
}

function compareDirectory(name: string, section: Section, seen: readonly Omit<DirectoryEntry, 'offset'>[]): void {
  const entries = decodeDirectory(name, section)
  const same =
    entries.length === seen.length &&
    entries.every((entry, at) => {
      const other = seen[at]!
      return (
        entry.type === other.type &&
        entry.storedBytes === other.storedBytes &&
        entry.plainBytes === other.plainBytes &&
        entry.label.equals(other.label)
      )
    })
  if (!same) throw damaged(name, 'its directory does not list what it holds')
}

async function checkTail(
  window: Window,
  at: { name: string; directoryOffset: number; directoryBytes: number; sections: number },
): Promise<void> {
  const start = at.directoryOffset + at.directoryBytes
  const rest = await window.take(start, TAIL_BYTES + 1)
  if (rest.length > TAIL_BYTES) throw damaged(at.name, 'it goes on after its end')
  const expected = encodeTail({ ...at, objectBytes: start + TAIL_BYTES })
  if (!rest.equals(expected)) throw damaged(at.name, 'its tail is wrong')
}

/** A range of an object that moves forward. */
class Window {
  private readonly name: string
  private readonly options: ReadOptions
  private start = 0
  private bytes: Buffer = Buffer.alloc(0)
  private atEnd = false

  constructor(name: string, options: ReadOptions) {
    this.name = name
    this.options = options
  }

  /** `length` bytes from `offset` on, fewer where the object ends; a view. Reads ahead by `ahead`. */
  async take(offset: number, length: number, ahead = READ_BYTES): Promise<Buffer> {
    let from = offset - this.start
    if (from + length > this.bytes.length && !this.atEnd) {
      const kept = this.bytes.subarray(from)
      const wanted = Math.max(length - kept.length, ahead)
      const more = await this.options.store.get(this.name, {
        signal: this.options.signal,
        offset: this.start + this.bytes.length,
        length: wanted,
      })
      this.atEnd = more.length < wanted
      this.bytes = kept.length === 0 ? more : Buffer.concat([kept, more])
      this.start = offset
      from = 0
    }
    return this.bytes.subarray(from, from + length)
  }
}
