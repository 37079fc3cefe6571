// Records of heap tables: what they do to rows, and the tuples that they carry. The layouts are the same in 15 to 18.
import { blockData } from './page-image.ts'
import type { WalRecord } from './record.ts'

export const heapRmgr = { heap2: 9, heap: 10 } as const
/** xl_info & 0x70 of heap records; 0x80 says that the page is made anew. */
export const heapInfo = {
  insert: 0x00,
  delete: 0x10,
  update: 0x20,
  truncate: 0x30,
  hotUpdate: 0x40,
  mask: 0x70,
} as const
export const heap2Info = { multiInsert: 0x50 } as const

const deleteFlags = { speculative: 1 << 3, partitionMove: 1 << 4 } as const
const updateFlags = { prefixFromOld: 1 << 5, suffixFromOld: 1 << 6 } as const
/** SizeofHeapTupleHeader, and xl_heap_header: infomask2, infomask, hoff. */
const TUPLE_HEADER_BYTES = 23
const LOGGED_HEADER_BYTES = 5

/** `move`: the row goes on in another partition, so an update has taken it away and not a delete. */
export type RowChange = 'insert' | 'delete' | 'update' | 'move'

/** What the record does to how many rows of the relation of its first block; undefined for all else. */
export function rowChange(record: WalRecord): { readonly change: RowChange; readonly rows: number } | undefined {
  const kind = record.info & heapInfo.mask
  if (record.rmgr === heapRmgr.heap2)
    return kind === heap2Info.multiInsert
      ? { change: 'insert', rows: record.view.getUint16(record.dataAt + 2, true) }
      : undefined
  if (record.rmgr !== heapRmgr.heap || record.blockCount === 0) return undefined
  if (kind === heapInfo.insert) return { change: 'insert', rows: 1 }
  if (kind === heapInfo.update || kind === heapInfo.hotUpdate) return { change: 'update', rows: 1 }
  if (kind !== heapInfo.delete) return undefined
  const flags = record.view.getUint8(record.dataAt + 7)
  // An insertion that lost a race for a unique key takes its own row back.
  if (flags & deleteFlags.speculative) return undefined
  return { change: flags & deleteFlags.partitionMove ? 'move' : 'delete', rows: 1 }
}

/** Where a tuple lies: offset numbers count from 1. */
export interface TuplePlace {
  readonly block: number
  readonly offset: number
}

/** Columns of a tuple as on disk, with the bitmap of NULLs before them: from t_bits on. */
export interface TupleBytes {
  readonly bytes: Uint8Array
  /** Where its first column begins in `bytes`. */
  readonly columnsAt: number
}

export interface TupleChange {
  readonly change: 'insert' | 'delete' | 'update'
  readonly from: TuplePlace | undefined
  readonly to: TuplePlace | undefined
}

/** Places of the tuple that an insert, delete or update of one row is about. */
export function tupleChange(record: WalRecord): TupleChange | undefined {
  if (record.rmgr !== heapRmgr.heap || record.blockCount === 0) return undefined
  const kind = record.info & heapInfo.mask
  const { view, dataAt } = record
  if (kind === heapInfo.insert)
    return { change: 'insert', from: undefined, to: { block: record.block[0]!, offset: view.getUint16(dataAt, true) } }
  if (kind === heapInfo.delete)
    return {
      change: 'delete',
      from: { block: record.block[0]!, offset: view.getUint16(dataAt + 4, true) },
      to: undefined,
    }
  if (kind !== heapInfo.update && kind !== heapInfo.hotUpdate) return undefined
  const old = record.blockCount > 1 ? record.block[1]! : record.block[0]!
  return {
    change: 'update',
    from: { block: old, offset: view.getUint16(dataAt + 4, true) },
    to: { block: record.block[0]!, offset: view.getUint16(dataAt + 12, true) },
  }
}

/**
 * The new tuple of an insert or update that carries no image of its page. `old`: the tuple before, of which an update may leave out the beginning and
 * the end. Undefined where it is needed and not known.
 */
export function newTuple(record: WalRecord, old: TupleBytes | undefined): TupleBytes | undefined {
  const { bytes, view } = record
  const { from, to } = blockData(record, 0)
  let at = from
  let prefix = 0
  let suffix = 0
  if ((record.info & heapInfo.mask) !== heapInfo.insert) {
    const flags = view.getUint8(record.dataAt + 7)
    if (flags & updateFlags.prefixFromOld) prefix = view.getUint16((at += 2) - 2, true)
    if (flags & updateFlags.suffixFromOld) suffix = view.getUint16((at += 2) - 2, true)
  }
  if (at + LOGGED_HEADER_BYTES > to || (prefix + suffix > 0 && !old)) return undefined
  const columnsAt = bytes[at + 4]! - TUPLE_HEADER_BYTES
  const logged = bytes.subarray(at + LOGGED_HEADER_BYTES, to)
  const parts = [logged.subarray(0, columnsAt)]
  if (prefix > 0) parts.push(old!.bytes.subarray(old!.columnsAt, old!.columnsAt + prefix))
  parts.push(logged.subarray(columnsAt))
  if (suffix > 0) parts.push(old!.bytes.subarray(old!.bytes.length - suffix))
  return { bytes: Buffer.concat(parts), columnsAt }
}

/** `perhaps`: somebody has deleted it, and the page does not tell whether that was committed. */
export type Seen = 'yes' | 'perhaps' | 'no'

/** Tuples on a heap page by offset number, dead ones that are still there too. */
export function* tuplesOn(page: Uint8Array): Generator<{ offset: number; tuple: TupleBytes; seen: Seen }> {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength)
  const lower = Math.min(view.getUint16(12, true), page.length)
  for (let pointer = 24, offset = 1; pointer + 4 <= lower; pointer += 4, offset++) {
    const word = view.getUint32(pointer, true)
    const [at, flags, length] = [word & 0x7fff, (word >>> 15) & 3, word >>> 17]
    if (flags !== 1 || length < TUPLE_HEADER_BYTES || at + length > page.length) continue
    const columnsAt = page[at + 22]! - TUPLE_HEADER_BYTES
    if (columnsAt < 0) continue
    const bytes = Buffer.from(page.subarray(at + TUPLE_HEADER_BYTES, at + length))
    yield { offset, tuple: { bytes, columnsAt }, seen: seenBy(view, at) }
  }
}

const infomask = {
  xmaxLockOnly: 0x0080,
  xminInvalid: 0x0200,
  xminFrozen: 0x0300,
  xmaxCommitted: 0x0400,
  xmaxInvalid: 0x0800,
} as const

/** By the header alone. */
function seenBy(view: DataView, at: number): Seen {
  const bits = view.getUint16(at + 20, true)
  if ((bits & infomask.xminFrozen) === infomask.xminInvalid) return 'no'
  const isKept = (bits & (infomask.xmaxInvalid | infomask.xmaxLockOnly)) !== 0
  if (isKept || view.getUint32(at + 4, true) === 0) return 'yes'
  return bits & infomask.xmaxCommitted ? 'no' : 'perhaps'
}
