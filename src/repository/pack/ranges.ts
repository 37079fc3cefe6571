// Which extents of a pack are fetched together: neighbours, by one range.
import { KIB, MIB } from '../../base/units.ts'
import type { ExtentWanted } from '../contract.ts'

/** Extents with a gap up to this size are fetched by one range. */
const NEIGHBOUR_GAP_BYTES = 256 * KIB
export const LARGEST_RANGE_BYTES = 8 * MIB

/** A group of wanted extents that one range read fetches; `from` and `to` are bytes of the pack. */
export interface Range {
  readonly wanted: ExtentWanted[]
  readonly from: number
  to: number
}

export function rangesOf(wanted: readonly ExtentWanted[]): Range[] {
  const ranges: Range[] = []
  for (const one of wanted) {
    const { offset, storedBytes } = one.ref
    const last = ranges.at(-1)
    const end = offset + storedBytes
    if (
      last &&
      offset >= last.to &&
      offset - last.to <= NEIGHBOUR_GAP_BYTES &&
      end - last.from <= LARGEST_RANGE_BYTES
    ) {
      last.wanted.push(one)
      last.to = end
    } else {
      ranges.push({ wanted: [one], from: offset, to: end })
    }
  }
  return ranges
}
