// Plain objects: three lines of text with a checksum (doc/design/repository-format.md section 2).
import { createHash } from 'node:crypto'

import type { z } from 'zod'

import { damaged } from '../object/decode.ts'
import { errors } from '../errors.ts'

export type PlainKind = 'format' | 'repository-key' | 'data-key' | 'prune-key'

export function encodePlain(kind: PlainKind, value: object): Buffer {
  const text = `wharfinger ${kind} 1\n${JSON.stringify(value)}\n`
  return Buffer.from(`${text}sha256 ${createHash('sha256').update(text).digest('hex')}\n`)
}

/** Strict to the byte: what is not exactly as encodePlain() writes it is damaged. */
export function decodePlain<T>(bytes: Buffer, at: { kind: PlainKind; name: string; schema: z.ZodType<T> }): T {
  const text = bytes.toString('latin1')
  const lines = text.split('\n')
  const version = /^wharfinger ([a-z-]+) (\d+)$/.exec(lines[0] ?? '')
  if (lines.length !== 4 || lines[3] !== '') throw damaged(at.name, 'it is not three lines of text')
  const signed = bytes.subarray(0, bytes.length - lines[2]!.length - 1)
  if (lines[2] !== `sha256 ${createHash('sha256').update(signed).digest('hex')}`)
    throw damaged(at.name, 'its checksum is wrong')
  if (version?.[1] !== at.kind) throw damaged(at.name, `it does not begin with "wharfinger ${at.kind}"`)
  if (version[2] !== '1') throw errors.unknownFormat({ object: at.name, what: `version ${version[2]}` })
  let value: unknown
  try {
    value = JSON.parse(lines[1]!)
  } catch {
    throw damaged(at.name, 'it holds no JSON')
  }
  const parsed = at.schema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw errors.unknownFormat({
      object: at.name,
      what: `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim(),
    })
  }
  return parsed.data
}
