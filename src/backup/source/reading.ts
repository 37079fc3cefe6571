// How copying threads read the files of a cluster: opened from a descriptor that the main thread sends.
import type { WarehouseSeed } from '../../warehouse/contract.ts'
import { DiskReading } from './disk-reading.ts'
import type { ServerIdentity } from './server-identity.ts'
import { SqlReading } from './sql-reading.ts'

/** What a copying thread is told about where files are. Structured-cloneable; may hold a password: never log it. */
export type SourceDescriptor =
  | { readonly kind: 'disk'; readonly directory: string; readonly places?: ReadonlyMap<number, string> }
  | {
      readonly kind: 'sql'
      readonly warehouse: string
      readonly seed: WarehouseSeed
      /** Every session must be with this very server. */
      readonly identity: ServerIdentity
    }

/** Bytes of a file from `offset` on, as many as `into` has room for. */
export interface Stretch {
  readonly offset: number
  readonly into: Buffer
}

export interface Reading extends AsyncDisposable {
  /** Undefined where the file does not exist. A driver that holds nothing open finds out with the first read. */
  open(path: string): OpenFile | undefined
}

export interface OpenFile extends Disposable {
  /** For messages. */
  readonly path: string
  /**
   * How many bytes came into each stretch: fewer where the file ends. Undefined where it does not exist any more. Rejects with code EIO where the
   * disk refuses, and with errors for operators for everything else.
   */
  read(stretches: readonly Stretch[]): readonly number[] | undefined | Promise<readonly number[] | undefined>
}

export function openReading(from: SourceDescriptor): Reading {
  return from.kind === 'disk' ? new DiskReading(from.directory, from.places) : new SqlReading(from)
}
