// The new maps of a backup: their places in the repository, which are known one after the other. Packed, since there can be a million of them.
import type { MapRef } from '../../repository/contract.ts'

const SHA256_BYTES = 32
const FIRST_ROOM = 1024

/** What is known of a new map: `ref` once the map is on its way into a bundle for good. */
export interface NewMap {
  readonly blockCount: number
  readonly ref: MapRef | undefined
}

/** By path. 56 bytes for each beside its path, where objects would take 200. */
export class NewMaps {
  private readonly numbers = new Map<string, number>()
  private readonly objects: string[] = []
  private readonly objectNumbers = new Map<string, number>()
  private count = 0
  private blockCounts = new Float64Array(FIRST_ROOM)
  /** Number of the object, −1 before the map has its place; offset; bytes. */
  private places = new Float64Array(3 * FIRST_ROOM)
  private hashes = Buffer.alloc(SHA256_BYTES * FIRST_ROOM)

  has(path: string): boolean {
    return this.numbers.has(path)
  }

  /** A map made anew takes the place of the one before. Its number is for place(). */
  add(path: string, blockCount: number): number {
    if (this.count === this.blockCounts.length) this.grow()
    const number = this.count++
    this.numbers.set(path, number)
    this.blockCounts[number] = blockCount
    this.places[3 * number] = -1
    return number
  }

  place(number: number, ref: MapRef): void {
    this.places.set([this.objectNumber(ref.object), ref.offset, ref.bytes], 3 * number)
    this.hashes.write(ref.sha256, SHA256_BYTES * number, 'hex')
  }

  get(path: string): NewMap | undefined {
    const number = this.numbers.get(path)
    if (number === undefined) return undefined
    return { blockCount: this.blockCounts[number]!, ref: this.refOf(number) }
  }

  private refOf(number: number): MapRef | undefined {
    const [object, offset, bytes] = this.places.subarray(3 * number, 3 * number + 3)
    if (object === -1) return undefined
    const sha256 = this.hashes.toString('hex', SHA256_BYTES * number, SHA256_BYTES * (number + 1))
    return { object: this.objects[object!]!, offset: offset!, bytes: bytes!, sha256 }
  }

  private objectNumber(object: string): number {
    const known = this.objectNumbers.get(object)
    if (known !== undefined) return known
    this.objectNumbers.set(object, this.objects.length)
    return this.objects.push(object) - 1
  }

  private grow(): void {
    const larger = (of: Float64Array): Float64Array<ArrayBuffer> => {
      const room = new Float64Array(2 * of.length)
      room.set(of)
      return room
    }
    this.blockCounts = larger(this.blockCounts)
    this.places = larger(this.places)
    const hashes = Buffer.alloc(2 * this.hashes.length)
    this.hashes.copy(hashes)
    this.hashes = hashes
  }
}
