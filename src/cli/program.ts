// What app hands to the command line, and the streams it works with.
import type { AnyOperation } from '../base/operation.ts'
import type { Context, Room } from '../base/room.ts'

export interface GlobalOptions {
  readonly json: boolean
  readonly yes: boolean
  readonly quiet: boolean
  readonly color: boolean
  readonly home: string | undefined
  readonly config: string | undefined
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent' | undefined
}

export interface Program {
  readonly version: string
  readonly rooms: readonly Room[]
  /** Reads the configuration as far as the operation needs it; what it opens ends with `scope`. */
  open(options: GlobalOptions, operation: AnyOperation, scope: AsyncDisposableStack): Promise<Context>
}

/** Standard streams, so that tests own them. */
export interface Streams {
  readonly out: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  readonly err: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  readonly in: NodeJS.ReadableStream & { isTTY?: boolean }
}
