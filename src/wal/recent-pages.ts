// Which pages a server that replays WAL has at hand, about: those that were named last, 16 MB of them.

/** Pages that are remembered, each in the one place that its number leads to. */
const PLACE_BITS = 11

export class RecentPages {
  private readonly places = new Uint32Array(1 << PLACE_BITS)

  /** Whether it was named lately; it is from now on. Two pages are taken for one once in four billion. */
  name(relfilenode: number, fork: number, block: number): boolean {
    const key = (Math.imul(relfilenode, 0x9e3779b1) + Math.imul(block, 0x85ebca6b) + fork + 1) >>> 0
    const place = Math.imul(key, 0xc2b2ae35) >>> (32 - PLACE_BITS)
    if (this.places[place] === key) return true
    this.places[place] = key
    return false
  }
}
