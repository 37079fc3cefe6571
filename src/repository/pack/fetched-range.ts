// Bytes of a pack in memory that is used again, and who may still look at them.
import type { AlignedPieces } from '../../base/aligned-memory.ts'
import { freeNow } from '../../base/freed-memory.ts'
import type { ExtentRead } from '../contract.ts'
import type { Sealer } from '../object/sealer.ts'

interface FetchedParts {
  readonly sealer?: Sealer | undefined
  readonly bytes: Buffer
  readonly failure?: unknown
  readonly memory?: Buffer | undefined
  readonly pieces?: AlignedPieces | undefined
}

/** Bytes of a range, whose memory goes back when all of it has been decoded. */
export class FetchedRange implements Disposable {
  readonly sealer: Sealer | undefined
  readonly bytes: Buffer
  readonly failure: unknown
  private readonly parts: FetchedParts
  private isLent = false

  constructor(parts: FetchedParts) {
    this.parts = parts
    this.sealer = parts.sealer
    this.bytes = parts.bytes
    this.failure = parts.failure
  }

  private get isPiece(): boolean {
    return this.bytes.buffer === this.parts.memory?.buffer
  }

  /** For who keeps a view of the bytes: pieces are used again, so of one it is a copy. */
  lend(read: ExtentRead): ExtentRead {
    if (this.isPiece) return { ...read, plain: Buffer.from(read.plain) }
    this.isLent = true
    return read
  }

  [Symbol.dispose](): void {
    if (!this.isPiece && !this.isLent) freeNow(this.bytes)
    if (this.parts.memory) this.parts.pieces!.give(this.parts.memory)
  }
}
