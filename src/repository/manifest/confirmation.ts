// Says that a manifest was written while its lease held, for repositories that were copied and lost their times.
import { z } from 'zod'

import { orReplacement } from '../heal/fall-back.ts'
import { damaged, readObject, type ReadOptions } from '../object/decode.ts'
import { encodeObject } from '../object/encode.ts'

export const CONFIRMED_PREFIX = 'confirmed/'
const bodySchema = z.strictObject({ manifest: z.string(), sha256: z.string(), bytes: z.number() })

export function confirmationName(warehouse: string, id: string): string {
  return `${CONFIRMED_PREFIX}${warehouse}/${id}`
}

export async function writeConfirmation(
  at: { warehouse: string; id: string },
  body: z.infer<typeof bodySchema>,
  options: ReadOptions & { name?: string },
): Promise<void> {
  const name = options.name ?? confirmationName(at.warehouse, at.id)
  const section = { type: 'confirmation', label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify(body)) } as const
  await options.store.put(name, encodeObject(options.ring, { name, kind: 'confirmation' }, [section]), {
    signal: options.signal,
    durable: true,
  })
}

export async function readConfirmation(name: string, options: ReadOptions): Promise<z.infer<typeof bodySchema>> {
  return orReplacement(name, options, (one) => readOwnConfirmation(one, options))
}

/** That object and no replacement of it. */
export async function readOwnConfirmation(name: string, options: ReadOptions): Promise<z.infer<typeof bodySchema>> {
  const [section, ...others] = await readObject(name, 'confirmation', options)
  if (section?.type !== 'confirmation' || others.length > 0) throw damaged(name, 'it holds no confirmation')
  const parsed = bodySchema.safeParse(JSON.parse(section.plain.toString('utf8')))
  if (!parsed.success) throw damaged(name, 'its body is not a confirmation')
  return parsed.data
}
