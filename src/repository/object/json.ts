// Small sealed objects of one section that holds JSON.
import type { z } from 'zod'

import { errors } from '../errors.ts'
import { damaged, readObject, type ReadOptions } from './decode.ts'
import { encodeObject } from './encode.ts'
import type { ObjectKind } from './head.ts'
import type { SectionType } from './section.ts'

/** Kinds of object whose only section has the type of the same name. */
export type JsonKind = ObjectKind & SectionType

/** Durable when it resolves. */
export async function putJson(
  object: { name: string; kind: JsonKind; retainUntilMs?: number },
  value: unknown,
  options: ReadOptions,
): Promise<void> {
  const section = { type: object.kind, label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify(value)) } as const
  await options.store.put(object.name, encodeObject(options.ring, object, [section]), {
    signal: options.signal,
    durable: true,
  })
}

export async function readJson<T>(
  object: { name: string; kind: JsonKind; schema: z.ZodType<T> },
  options: ReadOptions,
): Promise<T> {
  const { name, kind } = object
  const [section, ...others] = await readObject(name, kind, options)
  if (section?.type !== kind || others.length > 0) throw damaged(name, `it holds no ${kind}`)
  try {
    return object.schema.parse(JSON.parse(section.plain.toString('utf8')))
  } catch (error) {
    throw errors.unknownFormat({ object: name, what: 'its body' }, { cause: error })
  }
}
