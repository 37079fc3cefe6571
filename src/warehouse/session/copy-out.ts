// COPY (…) TO STDOUT (FORMAT binary): the only way in which bytes come from pg as bytes. (Its rows are text: bytea would come as hexadecimal digits,
// twice as long, and a binary result is decoded as UTF-8.)
import type { WireConnection } from './wire.ts'

const signature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
/** Signature, flags, length of the extension area (always 0). */
const headerBytes = 19

/** The fields of one row; undefined for NULL. They are valid only during the call. */
export type OnRow = (fields: readonly (Buffer | undefined)[]) => void

/** pg's "submittable": its active query from now to ReadyForQuery. */
export class CopyOut {
  readonly finished: Promise<void>
  private readonly sql: string
  private readonly onRow: OnRow
  private readonly settle = Promise.withResolvers<void>()
  private rest: Buffer = Buffer.alloc(0)
  private begun = false
  private failure: Error | undefined

  /** `select` is a query without parameters. */
  constructor(select: string, onRow: OnRow) {
    this.sql = `COPY (${select}) TO STDOUT (FORMAT binary)`
    this.onRow = onRow
    this.finished = this.settle.promise
    this.finished.catch(() => {})
  }

  // ---------------------------------------------------------------- for pg

  submit(connection: WireConnection): void {
    connection.query(this.sql)
  }

  handleCopyData(message: { chunk: Buffer }): void {
    if (this.failure) return
    try {
      this.take(message.chunk)
    } catch (error) {
      this.failure = error as Error
    }
  }

  handleError(error: Error): void {
    this.failure ??= error
    this.settle.reject(this.failure)
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    if (this.failure) this.settle.reject(this.failure)
    else this.settle.resolve()
  }

  // ---------------------------------------------------------------- rows

  /** The server sends a row a message, but does not promise it. */
  private take(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    let at = 0
    if (!this.begun) {
      if (bytes.length < headerBytes) return this.keep(bytes, 0)
      if (!bytes.subarray(0, signature.length).equals(signature))
        throw new Error('COPY does not begin with its signature')
      this.begun = true
      at = headerBytes
    }
    for (;;) {
      const next = this.row(bytes, at)
      if (next === undefined) return this.keep(bytes, at)
      at = next
    }
  }

  private keep(bytes: Buffer, from: number): void {
    // A copy: the parser uses its memory again.
    this.rest = from === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(from))
  }

  /** Hands out the row at `at`; where the next one begins, or undefined while this one is not whole. */
  private row(bytes: Buffer, at: number): number | undefined {
    if (bytes.length < at + 2) return undefined
    const count = bytes.readInt16BE(at)
    if (count === -1) return bytes.length
    const fields: (Buffer | undefined)[] = []
    let place = at + 2
    for (let field = 0; field < count; field++) {
      if (bytes.length < place + 4) return undefined
      const length = bytes.readInt32BE(place)
      place += 4
      if (length === -1) {
        fields.push(undefined)
        continue
      }
      if (bytes.length < place + length) return undefined
      fields.push(bytes.subarray(place, place + length))
      place += length
    }
    this.onRow(fields)
    return place
  }
}
