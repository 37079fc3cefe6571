// What was checked when, as small objects of the repository itself (doc/design/repository-format.md section 7a): a later check, on whatever host, begins
// with what was not looked at for longest, and no control database is needed.
import { z } from 'zod'

import { timedId } from '../../base/random.ts'
import { errors } from '../errors.ts'
import { damaged, readObject, type ReadOptions } from '../object/decode.ts'
import { encodeObject } from '../object/encode.ts'
import type { Level } from './findings.ts'
import { isDamage } from './findings.ts'

export const CHECKS_PREFIX = 'checks/'
const NAMES_PER_SECTION = 8192
const headSchema = z.strictObject({
  atMs: z.number(),
  depth: z.enum(['structure', 'share', 'all']),
  findings: z.number().int(),
  bytes: z.number(),
  objects: z.number().int(),
})
const namesSchema = z.strictObject({ level: z.enum(['structure', 'all']), names: z.array(z.string()) })

export interface CheckRecord extends z.infer<typeof headSchema> {
  readonly names: Readonly<Record<Level, readonly string[]>>
}

/** When an object was last looked at, by the store's clock. */
export interface LastChecked {
  structureMs?: number
  allMs?: number
}

export interface History {
  readonly objects: ReadonlyMap<string, LastChecked>
  /** Records by name, with the names in them. */
  readonly records: readonly { readonly object: string; readonly record: CheckRecord }[]
}

export async function readCheckRecord(name: string, options: ReadOptions): Promise<CheckRecord> {
  const [head, ...rest] = await readObject(name, 'checked', options)
  if (head?.type !== 'checked') throw damaged(name, 'it holds no record of a check')
  const names: Record<Level, string[]> = { structure: [], all: [] }
  for (const section of rest) {
    const part = parse(namesSchema, section.plain, name)
    for (const one of part.names) names[part.level].push(one)
  }
  return { ...parse(headSchema, head.plain, name), names }
}

function parse<T>(schema: z.ZodType<T>, plain: Buffer, object: string): T {
  try {
    return schema.parse(JSON.parse(plain.toString('utf8')))
  } catch (error) {
    throw errors.unknownFormat({ object, what: 'its body' }, { cause: error })
  }
}

/** A damaged record counts as none: then more is checked, not less. */
export async function readHistoryOfChecks(options: ReadOptions): Promise<History> {
  const objects = new Map<string, LastChecked>()
  const records: { object: string; record: CheckRecord }[] = []
  for await (const { name } of options.store.list(CHECKS_PREFIX, options)) {
    const record = await readCheckRecord(name, options).catch((error: unknown) => {
      if (!isDamage(error)) throw error
      return undefined
    })
    if (!record) continue
    records.push({ object: name, record })
    for (const one of record.names.structure) note(objects, one, 'structureMs', record.atMs)
    for (const one of record.names.all) note(objects, one, 'allMs', record.atMs)
  }
  return { objects, records }
}

/** Time of the newest record of a check that found nothing wrong. */
export async function lastGoodCheck(options: ReadOptions): Promise<number | undefined> {
  const names: string[] = []
  for await (const { name } of options.store.list(CHECKS_PREFIX, options)) names.push(name)
  // Names begin with the time.
  for (const name of names.sort().toReversed()) {
    const record = await readCheckRecord(name, options).catch((error: unknown) => {
      if (!isDamage(error)) throw error
      return undefined
    })
    if (record?.findings === 0) return record.atMs
  }
  return undefined
}

function note(objects: Map<string, LastChecked>, name: string, key: keyof LastChecked, atMs: number): void {
  const known = objects.get(name) ?? {}
  known[key] = Math.max(known[key] ?? 0, atMs)
  objects.set(name, known)
}

export async function writeCheckRecord(record: CheckRecord, options: ReadOptions): Promise<void> {
  const { names, ...head } = record
  const label = Buffer.alloc(0)
  const section = (value: unknown) => ({ type: 'checked', label, plain: Buffer.from(JSON.stringify(value)) }) as const
  const sections = [section(head)]
  for (const level of ['structure', 'all'] as const) {
    for (let at = 0; at < names[level].length; at += NAMES_PER_SECTION)
      sections.push(section({ level, names: names[level].slice(at, at + NAMES_PER_SECTION) }))
  }
  const name = `${CHECKS_PREFIX}${timedId(record.atMs)}`
  await options.store.put(name, encodeObject(options.ring, { name, kind: 'checked' }, sections), {
    signal: options.signal,
    durable: true,
  })
}

/**
 * Removes records that say nothing any more: every object in them is gone or was looked at as closely later. The newest stays: it says when the last
 * check was.
 */
export async function removeSpentRecords(
  history: History,
  present: ReadonlySet<string>,
  options: ReadOptions,
): Promise<void> {
  for (const { object, record } of history.records.slice(0, -1)) {
    const { structure, all } = record.names
    const isSpent =
      all.every((name) => !present.has(name) || (history.objects.get(name)?.allMs ?? 0) > record.atMs) &&
      structure.every((name) => !present.has(name) || lastOf(history.objects.get(name)) > record.atMs)
    if (isSpent) await options.store.remove(object, options)
  }
}

export function lastOf(checked: LastChecked | undefined): number {
  return Math.max(checked?.structureMs ?? 0, checked?.allMs ?? 0)
}
