// The head of a copy: which tables it holds, and what their streams must be. Written last: a copy without it does not exist.
import { z } from 'zod'

import { isWharfError } from '../../base/errors.ts'
import type { TableCopy } from '../contract.ts'
import { damaged, readObject, type ReadOptions } from '../object/decode.ts'
import { encodeObject } from '../object/encode.ts'
import { copyHeadName, parseCopyName } from './names.ts'

const count = z.int().nonnegative()

const headSchema = z.strictObject({
  id: z.string(),
  warehouse: z.string(),
  systemIdentifier: z.string().regex(/^\d{1,20}$/),
  postgresVersion: count,
  takenMs: count,
  tables: z.array(
    z.strictObject({
      database: z.string(),
      schema: z.string(),
      name: z.string(),
      columns: z.array(z.strictObject({ name: z.string(), type: z.string() })),
      rows: count,
      bytes: count,
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
  loads: z.array(z.strictObject({ database: z.string(), load: z.string() })),
})

export async function writeHead(copy: TableCopy, options: ReadOptions): Promise<void> {
  const name = copyHeadName(copy.warehouse, copy.id)
  const body = { ...copy, systemIdentifier: copy.systemIdentifier.toString() }
  const section = { type: 'copyHead', label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify(body)) } as const
  const { store, ring, signal } = options
  await store.put(name, encodeObject(ring, { name, kind: 'copy' }, [section]), { signal, durable: true })
}

/** Rejects with `repository.damaged-object`. */
export async function readHead(name: string, options: ReadOptions): Promise<TableCopy> {
  const [section, ...others] = await readObject(name, 'copy', options)
  if (section?.type !== 'copyHead' || others.length > 0) throw damaged(name, 'it holds no head of a copy')
  const parsed = headSchema.safeParse(parse(section.plain))
  if (!parsed.success) throw damaged(name, 'its body is not the head of a copy')
  const named = parseCopyName(name)
  const { data } = parsed
  if (named?.id !== data.id || named.warehouse !== data.warehouse)
    throw damaged(name, `it is the head of copy ${data.id} of ${data.warehouse}`)
  return { ...data, systemIdentifier: BigInt(data.systemIdentifier) }
}

/** Removed between listing and reading: not there any more, not damaged. */
export async function readHeadIfThere(name: string, options: ReadOptions): Promise<TableCopy | undefined> {
  try {
    return await readHead(name, options)
  } catch (error) {
    if (isWharfError(error, 'repository.object-missing')) return undefined
    throw error
  }
}

function parse(plain: Buffer): unknown {
  try {
    return JSON.parse(plain.toString('utf8'))
  } catch {
    return undefined
  }
}
