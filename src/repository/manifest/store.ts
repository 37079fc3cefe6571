// Manifests: written as one stream of sections, read whole, or by their head alone.
import type { z } from 'zod'

import { isWharfError, messageOf } from '../../base/errors.ts'
import type { BackupSummary, Manifest, ManifestDraft, ManifestFile, ManifestList } from '../contract.ts'
import { errors } from '../errors.ts'
import { orReplacement } from '../heal/fall-back.ts'
import { replacedName } from '../heal/names.ts'
import { readSections, type ReadOptions, type StoredSection } from '../object/decode.ts'
import { ObjectStream } from '../object/encode.ts'
import type { SectionType } from '../object/section.ts'
import { decodeFiles, encodeFiles, FILES_PER_SECTION } from './files.ts'
import {
  corruptSchema,
  detailsSchema,
  detailsValue,
  foldersSchema,
  headSchema,
  headValue,
  outsideFilesSchema,
  packsSchema,
  relationsSchema,
  scratchSchema,
  summaryOf,
  unloggedSchema,
  type ManifestCounts,
  type ManifestHead,
} from './schema.ts'

export const MANIFEST_PREFIX = 'manifests/'
const ITEMS_PER_SECTION = 8192
const noLabel = Buffer.alloc(0)

export function manifestName(warehouse: string, id: string): string {
  return `${MANIFEST_PREFIX}${warehouse}/${id}`
}

export function damagedManifest(object: string, reason: string, cause?: unknown): Error {
  return errors.damagedManifest({ object, reason }, { place: { object }, cause })
}

/** The lists that are stored as JSON, in their order. Files stand between folders and relations. */
const lists = {
  folders: foldersSchema,
  relations: relationsSchema,
  unlogged: unloggedSchema,
  corrupt: corruptSchema,
  outsideFiles: outsideFilesSchema,
  packs: packsSchema,
  scratch: scratchSchema,
} as const
type ListName = keyof typeof lists

/** What the store's clock says of a backup. */
export interface ManifestTimes {
  readonly leaseUntilMs: number
  /** Undefined where the store locks nothing: when the manifest may go first, and when the first of what it names may. */
  readonly locked: { readonly manifestMs: number; readonly contentMs: number } | undefined
}

function* slices<T>(items: Iterable<T>, size: number): Generator<readonly T[]> {
  let slice: T[] = []
  for (const item of items) {
    if (slice.push(item) < size) continue
    yield slice
    slice = []
  }
  if (slice.length > 0) yield slice
}

const byPath = (one: ManifestFile, other: ManifestFile): number =>
  one.path < other.path ? -1 : one.path > other.path ? 1 : 0

/** An array may have any order; what comes one by one must have the right one. */
function* sorted(files: ManifestDraft['files']): Generator<ManifestFile> {
  if (Array.isArray(files)) {
    yield* (files as ManifestFile[]).toSorted(byPath)
    return
  }
  let before: string | undefined
  for (const file of files) {
    if (before !== undefined && file.path <= before) throw new RangeError(`${file.path} is listed after ${before}`)
    before = file.path
    yield file
  }
}

function* sectionsOf(manifest: ManifestDraft, times: ManifestTimes): Generator<{ type: SectionType; plain: Buffer }> {
  const json = (type: SectionType, value: unknown) => ({ type, plain: Buffer.from(JSON.stringify(value)) })
  yield json('manifestHead', headValue(manifest, times.leaseUntilMs, times.locked?.contentMs))
  yield json('manifestDetails', detailsValue(manifest))
  for (const slice of slices(manifest.folders, ITEMS_PER_SECTION)) yield json('folders', slice)
  for (const slice of slices(sorted(manifest.files), FILES_PER_SECTION))
    yield { type: 'files', plain: encodeFiles(slice) }
  for (const name of ['relations', 'unlogged', 'scratch', 'corrupt', 'outsideFiles', 'packs'] as const) {
    // Contents of configuration files can be long: each in a section of its own.
    for (const slice of slices<unknown>(manifest[name], name === 'outsideFiles' ? 1 : ITEMS_PER_SECTION))
      yield json(name, slice)
  }
}

/** Puts the manifest under its name, or under that of a replacement. The caller did the barrier before and does the one after. */
export async function writeManifest(
  manifest: ManifestDraft,
  times: ManifestTimes,
  options: ReadOptions & { name?: string },
): Promise<{ sha256: string; bytes: number }> {
  const { store, ring, signal } = options
  const name = options.name ?? manifestName(manifest.warehouse, manifest.id)
  const stream = await ObjectStream.create(store, ring, {
    name,
    kind: 'manifest',
    signal,
    retainUntilMs: times.locked?.manifestMs,
  })
  try {
    for (const { type, plain } of sectionsOf(manifest, times)) await stream.add({ type, plain, label: noLabel }, true)
    return await stream.finish()
  } catch (error) {
    await stream.abandon()
    throw error
  }
}

function parse<T>(schema: z.ZodType<T>, section: StoredSection, name: string): T {
  let value: unknown
  try {
    value = JSON.parse(section.plain.toString('utf8'))
  } catch (error) {
    throw damagedManifest(name, `section ${section.number} (${section.type}) holds no JSON`, error)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw errors.unknownFormat({
    object: name,
    what: `${section.type}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
  })
}

/** Damage of the object becomes damage of the manifest; failures to reach the store stay what they are. */
function asManifestError(error: unknown, name: string): unknown {
  if (isWharfError(error, 'repository.damaged-manifest') || isWharfError(error, 'repository.object-missing'))
    return error
  if (isWharfError(error) ? error.exit === 'damaged' : error instanceof RangeError) {
    const reason = messageOf(error).replace(`${name} is damaged: `, '')
    return damagedManifest(name, reason, error)
  }
  return error
}

function checkName(head: ManifestHead, name: string): void {
  if (manifestName(head.warehouse, head.id) !== (replacedName(name) ?? name))
    throw damagedManifest(name, `it is backup ${head.id} of ${head.warehouse}`)
}

/** The head alone: one small range read; proves the head, not the rest. */
export async function readManifestHead(name: string, options: ReadOptions): Promise<ManifestHead> {
  return orReplacement(name, options, (one) => readOwnHead(one, options))
}

async function readOwnHead(name: string, options: ReadOptions): Promise<ManifestHead> {
  try {
    for await (const section of readSections(name, 'manifest', options)) {
      if (section.type !== 'manifestHead') break
      const head = parse(headSchema, section, name)
      checkName(head, name)
      return head
    }
  } catch (error) {
    throw asManifestError(error, name)
  }
  throw damagedManifest(name, 'it has no head')
}

/** Lists of a manifest that a reader can do without: they come back empty, their sections are neither parsed nor counted. */
export interface ReadManifestOptions extends ReadOptions {
  readonly without?: readonly ManifestList[] | undefined
}

export async function readManifest(
  name: string,
  options: ReadManifestOptions,
): Promise<{ manifest: Manifest; head: ManifestHead }> {
  return orReplacement(name, options, (one) => readOwnManifest(one, options))
}

/** That object and no replacement of it. */
export async function readOwnManifest(
  name: string,
  options: ReadManifestOptions,
): Promise<{ manifest: Manifest; head: ManifestHead }> {
  const found: { [Key in keyof ManifestCounts]: unknown[] } = {
    files: [],
    relations: [],
    folders: [],
    unlogged: [],
    scratch: [],
    corrupt: [],
    packs: [],
    outsideFiles: [],
  }
  const wanted = (list: ManifestList): boolean => options.without?.includes(list) !== true
  const { head, details } = await readParts(name, options, {
    wanted,
    take: (list, items) => push(found[list], items),
  })
  return { manifest: assemble(summaryOf(head), details, found), head }
}

/** Reads and decodes all of it as readManifest() does, but keeps only the head: for a manifest just written, which may be larger than what is left of memory. */
export async function proveManifest(name: string, options: ReadOptions): Promise<ManifestHead> {
  const { head } = await readParts(name, options, { wanted: () => true, take: () => {} })
  return head
}

interface Reading {
  readonly wanted: (list: ManifestList) => boolean
  readonly take: (list: ManifestList, items: readonly unknown[]) => void
}

interface Parts {
  readonly head: ManifestHead
  readonly details: z.infer<typeof detailsSchema>
}

async function readParts(name: string, options: ReadOptions, reading: Reading): Promise<Parts> {
  try {
    return await readAll(name, options, reading)
  } catch (error) {
    throw asManifestError(error, name)
  }
}

async function readAll(name: string, options: ReadOptions, { wanted, take }: Reading): Promise<Parts> {
  let head: ManifestHead | undefined
  let details: Parts['details'] | undefined
  const counted: Partial<Record<string, number>> = {}
  const list = (of: ManifestList, decode: () => readonly unknown[]): void => {
    if (!wanted(of)) return
    const items = decode()
    counted[of] = (counted[of] ?? 0) + items.length
    take(of, items)
  }
  for await (const section of readSections(name, 'manifest', options)) {
    const { type } = section
    if (type === 'manifestHead' && !head) head = parse(headSchema, section, name)
    else if (type === 'manifestDetails' && !details) details = parse(detailsSchema, section, name)
    else if (type === 'files') {
      const of = { what: `section ${section.number}`, startLsn: head?.startLsn ?? 0n }
      list('files', () => decodeFiles(section.plain, of))
    } else if (type in lists) list(type as ListName, () => parse<unknown[]>(lists[type as ListName], section, name))
    else throw damagedManifest(name, `section ${section.number} (${type}) has no place in a manifest`)
  }
  if (!head || !details) throw damagedManifest(name, 'it has no head')
  checkName(head, name)
  for (const [key, count] of Object.entries(head.counts)) {
    const items = counted[key] ?? 0
    if (wanted(key as ManifestList) && items !== count)
      throw damagedManifest(name, `it lists ${items} of ${count} ${key}`)
  }
  return { head, details }
}

function push(all: unknown[], items: readonly unknown[]): void {
  for (const item of items) all.push(item)
}

function assemble(
  summary: BackupSummary,
  details: z.infer<typeof detailsSchema>,
  found: Record<string, unknown[]>,
): Manifest {
  const { corruptBlocks, unloggedBytes, ...facts } = summary
  void [corruptBlocks, unloggedBytes]
  // Optional fields that JSON left out come back as undefined.
  for (const one of found['relations'] as z.infer<typeof relationsSchema>) one.belongsTo ??= undefined
  return { ...facts, ...details, ...found } as unknown as Manifest
}
