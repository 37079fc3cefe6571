// Rows of pg_class, pg_namespace and pg_inherits, decoded from tuples. Their first columns are of fixed length and never NULL.
import type { TupleBytes } from '../../wal/heap-records.ts'

export const catalogOids = { pgClass: 1259, pgNamespace: 2615, pgInherits: 2611 } as const
const NAME_BYTES = 64

export interface ClassRow {
  readonly oid: number
  readonly name: string
  readonly namespace: number
  /** 0 for what has no storage, and for mapped catalogs. */
  readonly filenode: number
  /** 0: that of the database. */
  readonly tablespace: number
  readonly kind: string
  readonly persistence: string
}

/** Undefined where the tuple is too short to be a row of pg_class. */
export function classRow(tuple: TupleBytes, majorVersion: number): ClassRow | undefined {
  // 18 has relallfrozen before reltoastrelid.
  const tail = majorVersion >= 18 ? 118 : 114
  const at = tuple.columnsAt
  if (tuple.bytes.length < at + tail + 2) return undefined
  const view = viewOf(tuple)
  return {
    oid: view.getUint32(at, true),
    name: nameAt(tuple.bytes, at + 4),
    namespace: view.getUint32(at + 68, true),
    filenode: view.getUint32(at + 88, true),
    tablespace: view.getUint32(at + 92, true),
    persistence: String.fromCharCode(tuple.bytes[at + tail]!),
    kind: String.fromCharCode(tuple.bytes[at + tail + 1]!),
  }
}

export interface NamespaceRow {
  readonly oid: number
  readonly name: string
}

export function namespaceRow(tuple: TupleBytes): NamespaceRow | undefined {
  if (tuple.bytes.length < tuple.columnsAt + 4 + NAME_BYTES) return undefined
  return {
    oid: viewOf(tuple).getUint32(tuple.columnsAt, true),
    name: nameAt(tuple.bytes, tuple.columnsAt + 4),
  }
}

export interface InheritsRow {
  readonly child: number
  readonly parent: number
}

export function inheritsRow(tuple: TupleBytes): InheritsRow | undefined {
  if (tuple.bytes.length < tuple.columnsAt + 8) return undefined
  const view = viewOf(tuple)
  return { child: view.getUint32(tuple.columnsAt, true), parent: view.getUint32(tuple.columnsAt + 4, true) }
}

function viewOf({ bytes }: TupleBytes): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function nameAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at)
  return Buffer.from(bytes.subarray(at, end < 0 || end > at + NAME_BYTES ? at + NAME_BYTES : end)).toString('utf8')
}
