// A list that is only ever appended to and walked: it lies compressed in memory, batch by batch. A million small records take tens of megabytes instead of
// hundreds.
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

/** Something that can be walked any number of times and knows how long it is: an array, or a list that does not lie in memory as objects. */
export interface Listing<T> extends Iterable<T> {
  readonly length: number
}

const BATCH = 2048
const params = { [constants.ZSTD_c_compressionLevel]: 1 }

/** Items must be what JSON can hold; what JSON leaves out comes back missing. */
export class PackedList<T> implements Listing<T> {
  private readonly packed: Buffer[] = []
  private open: T[] = []
  length = 0

  push(item: T): void {
    this.length++
    if (this.open.push(item) < BATCH) return
    this.packed.push(Buffer.from(zstdCompressSync(JSON.stringify(this.open), { params })))
    this.open = []
  }

  *[Symbol.iterator](): Generator<T> {
    for (const bytes of this.packed) yield* JSON.parse(zstdDecompressSync(bytes).toString('utf8')) as T[]
    yield* this.open
  }
}
