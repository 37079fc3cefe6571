// The head of a kept load as bytes: one section of JSON. A key that is not known is refused.
import { z } from 'zod'

import { isWharfError } from '../../base/errors.ts'
import { formatLsn, parseLsn } from '../../wal/lsn.ts'
import type { KeptLoad } from '../kept-contract.ts'
import { errors } from '../errors.ts'
import { orReplacement } from '../heal/fall-back.ts'
import { damaged, readObject, type ReadOptions } from '../object/decode.ts'
import { encodeObject } from '../object/encode.ts'
import { keptName, parseInputName, parseKeptName } from './names.ts'

const count = z.int().nonnegative()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const unsigned = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt)
const input = z.strictObject({ name: z.string(), sha256, bytes: count })
const piece = z.strictObject({
  object: z.string().refine((name) => parseInputName(name) !== undefined),
  bytes: count,
  sha256,
})
const content = z
  .strictObject({ bytes: count, sha256, pieces: z.array(piece) })
  .refine((one) => one.bytes === one.pieces.reduce((sum, each) => sum + each.bytes, 0))
const texts = z.record(z.string(), z.string())

const step = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('statement'), sql: z.string() }),
  z.strictObject({ kind: z.literal('script'), name: z.string(), content }),
  z.strictObject({ kind: z.literal('copy'), sql: z.string(), content, rows: count, original: input }),
  z.strictObject({
    kind: z.literal('command'),
    argv: z.array(z.string()),
    folder: z.string(),
    variables: z.array(z.string()),
  }),
])

const headSchema = z.strictObject({
  id: z.string(),
  warehouse: z.string(),
  database: z.string(),
  systemIdentifier: unsigned,
  timeline: z.int().positive(),
  postgresVersion: count,
  madeBy: z.string(),
  lsn: z.string().transform(parseLsn),
  xid: unsigned.nullable().transform((xid) => xid ?? undefined),
  keptMs: count,
  workMs: count,
  role: z.string(),
  settings: texts,
  isolation: z.enum(['read uncommitted', 'read committed', 'repeatable read', 'serializable']),
  parameters: texts,
  steps: z.array(step),
  journal: z.strictObject({
    pipeline: z.string(),
    task: z.string(),
    runId: z.string(),
    item: z.string(),
    token: z.string().regex(/^\d+$/),
    businessDate: z.string().nullable(),
    startedAt: z.string(),
    logged: z.boolean(),
    rows: count,
    inputs: z.array(input),
    written: z.record(z.string(), count),
  }),
  unlogged: z.array(z.strictObject({ relation: z.string(), root: z.string() })),
  alsoLogged: z.array(z.string()),
  replaces: z.array(z.string()),
  reads: z.array(z.string()),
  follows: z.record(z.string(), z.string().nullable()),
  file: z.strictObject({ ...input.shape, modifiedMs: count }).nullable(),
})

export function encodeHead(load: KeptLoad): Buffer {
  const { systemIdentifier, lsn, xid, ...rest } = load
  const body = {
    ...rest,
    systemIdentifier: systemIdentifier.toString(),
    lsn: formatLsn(lsn),
    xid: xid?.toString() ?? null,
  }
  return Buffer.from(JSON.stringify(body))
}

/** Durable when it resolves. `name`: of the replacement where it is one. */
export async function writeKept(load: KeptLoad, options: ReadOptions & { name?: string }): Promise<void> {
  const name = options.name ?? keptName(load.warehouse, load.id)
  const section = { type: 'kept', label: Buffer.alloc(0), plain: encodeHead(load) } as const
  const { store, ring, signal } = options
  await store.put(name, encodeObject(ring, { name, kind: 'kept' }, [section]), { signal, durable: true })
}

/** Rejects with `repository.damaged-object`, `.unknown-format`, `.object-missing`. */
export function readKept(name: string, options: ReadOptions): Promise<KeptLoad> {
  return orReplacement(name, options, (one) => readOwnKept(name, one, options))
}

/** That object and no replacement of it; `name` is what it stands for. */
export async function readOwnKept(name: string, object: string, options: ReadOptions): Promise<KeptLoad> {
  const [section, ...others] = await readObject(object, 'kept', options)
  if (section?.type !== 'kept' || others.length > 0) throw damaged(object, 'it holds no kept load')
  const load = decodeHead(section.plain, object)
  const named = parseKeptName(name)
  if (named?.id !== load.id || named.warehouse !== load.warehouse)
    throw damaged(object, `it is kept load ${load.id} of ${load.warehouse}`)
  return load
}

function decodeHead(plain: Buffer, object: string): KeptLoad {
  try {
    return headSchema.parse(JSON.parse(plain.toString('utf8')))
  } catch (error) {
    throw errors.unknownFormat({ object, what: 'its body' }, { cause: error })
  }
}

/** Removed between listing and reading: not there any more, not damaged. */
export async function readKeptIfThere(name: string, options: ReadOptions): Promise<KeptLoad | undefined> {
  try {
    return await readKept(name, options)
  } catch (error) {
    if (isWharfError(error, 'repository.object-missing') && !(await options.store.stat(name, options))) return undefined
    throw error
  }
}

/** Names of all pieces that it needs. */
export function piecesOf(load: KeptLoad): readonly string[] {
  return load.steps.flatMap((one) => ('content' in one ? one.content.pieces.map((each) => each.object) : []))
}
