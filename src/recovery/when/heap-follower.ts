// The tuples of one small heap relation, followed through WAL: what the backup's pages hold, then images of pages and the records of rows. Deleted
// tuples stay until something else takes their place, so that whatever a record refers to can be told.
import {
  newTuple,
  tupleChange,
  tuplesOn,
  type TupleBytes,
  type TupleChange,
  type TuplePlace,
} from '../../wal/heap-records.ts'
import { appliesImage, pageImage } from '../../wal/page-image.ts'
import type { WalRecord } from '../../wal/record.ts'

export interface FollowedChange {
  readonly change: TupleChange['change']
  /** Undefined: not known, or none. */
  readonly before: TupleBytes | undefined
  readonly after: TupleBytes | undefined
}

const SLOT = 4096

export class HeapFollower {
  private readonly pages = new Map<number, Map<number, TupleBytes>>()
  /** What could not be understood: the first such LSN is the caller's to name. */
  isDoubtful = false

  addPage(block: number, page: Uint8Array): void {
    const tuples = new Map<number, TupleBytes>()
    for (const { offset, tuple } of tuplesOn(page)) tuples.set(offset % SLOT, tuple)
    this.pages.set(block, tuples)
  }

  /** All that is known, dead ones among them. */
  *tuples(): Generator<TuplePlace & { readonly tuple: TupleBytes }> {
    for (const [block, tuples] of this.pages) for (const [offset, tuple] of tuples) yield { block, offset, tuple }
  }

  /** Takes in a record one of whose blocks is of this relation; tells what it does to a row. */
  record(record: WalRecord): FollowedChange | undefined {
    const about = tupleChange(record)
    const before = about?.from && this.at(about.from)
    for (let n = 0; n < record.blockCount; n++) {
      if (record.fork[n] !== 0 || !appliesImage(record, n)) continue
      const page = pageImage(record, n)
      if (page) this.addPage(record.block[n]!, page)
    }
    if (!about) return undefined
    const after = about.to && this.place(record, about.to, before)
    if ((about.to && !after) || (about.change === 'delete' && !(before ?? this.at(about.from!)))) this.isDoubtful = true
    // The image of the page of a deleted tuple still holds it.
    return { change: about.change, before: before ?? (about.from && this.at(about.from)), after }
  }

  private place(record: WalRecord, to: TuplePlace, before: TupleBytes | undefined): TupleBytes | undefined {
    if (appliesImage(record, 0)) return this.at(to)
    const tuple = newTuple(record, before)
    if (!tuple) return undefined
    let page = this.pages.get(to.block)
    if (!page) this.pages.set(to.block, (page = new Map()))
    page.set(to.offset, tuple)
    return tuple
  }

  private at({ block, offset }: TuplePlace): TupleBytes | undefined {
    return this.pages.get(block)?.get(offset)
  }
}
