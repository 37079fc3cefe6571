// Memory for transfers past the page cache, which must begin at a page of the machine: buffers do not, the memory of WebAssembly does.
import { KIB } from './units.ts'

/** What every disk takes as a unit of such transfers. */
export const ALIGNMENT = 4 * KIB
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

  /** `pieceBytes`: a multiple of 64 KiB. */
  constructor(count: number, pieceBytes: number) {
    const pages = (count * pieceBytes) / PAGE_BYTES
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
    for (let at = 0; at < count; at++) this.free.push(Buffer.from(buffer, at * pieceBytes, pieceBytes))
  }

  /** A piece, to be given back. */
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
