// The file list of a manifest as bytes (doc/design/repository-format.md section 5): 1,000,000 files take about 100 MB plain.
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { ExtentRef, ManifestFile } from '../contract.ts'

export const FILES_PER_SECTION = 8192

/** Kinds of files. 1 is a segment as it was written before images and audits were dated; only read. */
const [OLD_SEGMENT, PLAIN, SEGMENT] = [1, 2, 3]

export interface DecodeOptions {
  /** For errors. */
  readonly what: string
  /** Start of the backup: the age of every image of an old segment. */
  readonly startLsn: Lsn
}

class Texts {
  readonly list: string[] = []
  private readonly known = new Map<string, number>()

  index(text: string): number {
    const known = this.known.get(text)
    if (known !== undefined) return known
    this.known.set(text, this.list.length)
    this.list.push(text)
    return this.list.length - 1
  }
}

export function encodeFiles(files: readonly ManifestFile[]): Buffer {
  const texts = new Texts()
  const body = new ByteWriter(files.length * 96 + 16)
  for (const file of files) {
    // Modification times before 1970 happen on restored files; they are kept as 1970.
    const modifiedMs = Math.max(0, Math.floor(file.modifiedMs))
    body
      .text(file.path)
      .u8(file.kind === 'segment' ? SEGMENT : PLAIN)
      .varint(file.mode)
      .varint(modifiedMs)
      .varint(file.bytes)
    if (file.kind === 'segment') {
      const { object, offset, bytes, sha256 } = file.map
      body
        .varint(texts.index(object))
        .varint(offset)
        .varint(bytes)
        .bytes(Buffer.from(sha256, 'hex'))
        .varint(texts.index(file.storedBy))
        .u64(file.imageLsn)
        .varint(file.auditedMs)
        .varint(file.auditBlock)
      continue
    }
    body.bytes(Buffer.from(file.sha256, 'hex')).varint(file.extents.length)
    for (const { pack, number, offset, storedBytes, plainBytes } of file.extents) {
      body.varint(texts.index(pack)).varint(number).varint(offset).varint(storedBytes).varint(plainBytes)
    }
  }
  const writer = new ByteWriter(body.length + texts.list.length * 48 + 16)
  writer.varint(texts.list.length)
  for (const text of texts.list) writer.text(text)
  return Buffer.from(writer.varint(files.length).bytes(body.done()).done())
}

/** Rejects by RangeError or `bytes.past-end`. */
export function decodeFiles(bytes: Buffer, options: DecodeOptions): ManifestFile[] {
  const { what } = options
  const reader = new ByteReader(bytes, what)
  const texts: string[] = []
  for (let left = reader.varint(); left > 0; left--) texts.push(reader.text())
  const text = (): string => {
    const index = reader.varint()
    const found = texts[index]
    if (found === undefined) throw new RangeError(`${what} names text ${index} of ${texts.length}`)
    return found
  }
  const files: ManifestFile[] = []
  // Few positions for many files: one bigint of each.
  const positions = new Map<Lsn, Lsn>()
  const position = (lsn: Lsn): Lsn => positions.get(lsn) ?? (positions.set(lsn, lsn), lsn)
  const tools = { text, position, startLsn: options.startLsn }
  for (let left = reader.varint(); left > 0; left--) files.push(decodeFile(reader, tools))
  if (reader.remaining > 0) throw new RangeError(`${what} is longer than it should be`)
  return files
}

interface DecodeTools {
  readonly text: () => string
  readonly position: (lsn: Lsn) => Lsn
  readonly startLsn: Lsn
}

function decodeFile(reader: ByteReader, { text, position, startLsn }: DecodeTools): ManifestFile {
  const path = reader.text()
  const kind = reader.u8()
  const common = { path, mode: reader.varint(), modifiedMs: reader.varint(), bytes: reader.varint() }
  if (kind === OLD_SEGMENT || kind === SEGMENT) {
    const map = {
      object: text(),
      offset: reader.varint(),
      bytes: reader.varint(),
      sha256: reader.bytes(32).toString('hex'),
    }
    const segment = { ...common, kind: 'segment', map, storedBy: text() } as const
    if (kind === OLD_SEGMENT) return { ...segment, imageLsn: startLsn, auditedMs: 0, auditBlock: 0 }
    return { ...segment, imageLsn: position(reader.u64()), auditedMs: reader.varint(), auditBlock: reader.varint() }
  }
  if (kind !== PLAIN) throw new RangeError(`${reader.what} has a file of kind ${kind}`)
  const sha256 = reader.bytes(32).toString('hex')
  const extents: ExtentRef[] = []
  for (let left = reader.varint(); left > 0; left--) {
    extents.push({
      pack: text(),
      number: reader.varint(),
      offset: reader.varint(),
      storedBytes: reader.varint(),
      plainBytes: reader.varint(),
    })
  }
  return { ...common, kind: 'plain', extents, sha256 }
}
