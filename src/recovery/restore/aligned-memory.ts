// Memory for transfers past the page cache, which must begin at a page of the machine: buffers do not, the memory of WebAssembly does.
import { KIB, MIB } from '../../base/units.ts'

export const PIECE_BYTES = MIB
/** Of WebAssembly. */
const PAGE_BYTES = 64 * KIB

/** The types of Node do not name it. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => {
    readonly buffer: ArrayBuffer
  }
}

/** Pieces of one thread, each in one hand at a time. */
export class AlignedPieces {
  private readonly free: Buffer[] = []
  private readonly waiting: ((piece: Buffer) => void)[] = []

  constructor(count: number) {
    const pages = (count * PIECE_BYTES) / PAGE_BYTES
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
    for (let at = 0; at < count; at++) this.free.push(Buffer.from(buffer, at * PIECE_BYTES, PIECE_BYTES))
  }

  /** A piece of PIECE_BYTES, to be given back. */
  async take(): Promise<Buffer> {
    return this.takeNow() ?? (await new Promise((resolve) => this.waiting.push(resolve)))
  }

  /** Undefined where all are in use. */
  takeNow(): Buffer | undefined {
    return this.free.pop()
  }

  give(piece: Buffer): void {
    const next = this.waiting.shift()
    if (next) next(piece)
    else this.free.push(piece)
  }
}
