// What `wharf wal push` must know, in one small file beside the server: no configuration is read and no key is derived for each segment.
import { readFileSync } from 'node:fs'

import { messageOf } from '../../base/errors.ts'
import type { PackWriterSeed } from '../../repository/contract.ts'
import { pushErrors } from './errors.ts'

/** Name of the file within a data directory, where it is looked for unless --options names another. Mode 0600: it holds the data keys. */
export const pushOptionsName = 'wharf-wal-push.json'

export interface PushOptions {
  readonly version: 1
  readonly warehouse: string
  readonly systemIdentifier: string
  /** All that are required must have a segment before the server is told that it is kept. `seed` is secret. */
  readonly repositories: readonly { readonly name: string; readonly required: boolean; readonly seed: PackWriterSeed }[]
}

/** Bytes travel as `{"base64": "…"}`. */
export function encodePushOptions(options: PushOptions): string {
  return JSON.stringify(options, function replace(this: unknown, key, value: unknown) {
    // Buffers reach a replacer as what their own toJSON() makes of them: the holder has the original.
    const original = (this as Readonly<Record<string, unknown>>)[key]
    return original instanceof Uint8Array ? { base64: Buffer.from(original).toString('base64') } : value
  })
}

export function readPushOptions(file: string): PushOptions {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8'), (_key, one: unknown) => {
      const packed = one as { base64?: unknown } | null
      return typeof packed === 'object' && typeof packed?.base64 === 'string'
        ? new Uint8Array(Buffer.from(packed.base64, 'base64'))
        : one
    }) as PushOptions
    if (value.version !== 1 || !Array.isArray(value.repositories) || value.repositories.length === 0)
      throw new SyntaxError('it is of another version')
    return value
  } catch (error) {
    throw pushErrors.badOptions({ file, why: messageOf(error) }, { cause: error })
  }
}
