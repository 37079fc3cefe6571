// What `wharf wal get` is told: by an options file that recovery writes into the data directory, or by flags.
import { readFileSync } from 'node:fs'

import { messageOf } from '../../base/errors.ts'
import type { PackWriterSeed } from '../../repository/contract.ts'
import { getErrors as errors } from './errors.ts'
import type { LeftOut } from './left-out.ts'

/** Name of the options file within a data directory. Mode 0600: it holds the data keys. */
export const optionsFileName = 'wharf-wal-get.json'

export interface WalGetOptions {
  readonly version: 1
  /** Opens the repository without its passphrase or key file: secret. */
  readonly seed: PackWriterSeed
  readonly systemIdentifier: string
  readonly postgresVersion: number
  readonly walSegmentBytes: number
  /** Whether paths in CREATE TABLESPACE records are emptied: for every server but the original in its original place. */
  readonly rewrite: boolean
  /** Where timelines begin on the history that is followed, oldest first; LSNs as decimal text. */
  readonly switches: readonly { readonly timeline: number; readonly at: string }[]
  /** WAL that the repository held when recovery was planned: what is missing of it is a failure, not the end of WAL. */
  readonly known: readonly { readonly timeline: number; readonly from: string; readonly to: string }[]
  /** Relations of which WAL is not to be replayed. */
  readonly leftOut?: LeftOut | undefined
  /** Segments from here on are not fetched ahead: replay ends before. Decimal text. */
  readonly until?: string | undefined
}

/** Bytes travel as `{"base64": "…"}`. */
export function encodeOptions(options: WalGetOptions): string {
  return JSON.stringify(options, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') }
    // Buffers reach a replacer as what their own toJSON() makes of them.
    const made = value as { type?: unknown; data?: unknown } | null
    return made?.type === 'Buffer' && Array.isArray(made.data)
      ? { base64: Buffer.from(made.data as number[]).toString('base64') }
      : value
  })
}

export function decodeOptions(text: string): WalGetOptions {
  const options = JSON.parse(text, (_key, value: unknown) => {
    const packed = value as { base64?: unknown } | null
    return typeof packed === 'object' && typeof packed?.base64 === 'string'
      ? new Uint8Array(Buffer.from(packed.base64, 'base64'))
      : value
  }) as WalGetOptions
  if (options.version !== 1 || !Array.isArray(options.known)) throw new SyntaxError('it is of another version')
  return options
}

export function readOptions(file: string): WalGetOptions {
  try {
    return decodeOptions(readFileSync(file, 'utf8'))
  } catch (error) {
    throw errors.badWalOptions({ file, why: messageOf(error) }, { cause: error })
  }
}
