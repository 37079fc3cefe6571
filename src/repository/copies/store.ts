// Copies of unlogged tables in a repository: one sealed object for each table, the head last.
import { createHash } from 'node:crypto'

import { timedId } from '../../base/random.ts'
import { MIB } from '../../base/units.ts'
import type { CopiedTable, ObjectStore, TableCopies, TableCopy, TableCopyWriter } from '../contract.ts'
import { errors } from '../errors.ts'
import type { KeyRing } from '../keys/ring.ts'
import { damaged, readSections } from '../object/decode.ts'
import { ObjectStream } from '../object/encode.ts'
import { readHeadIfThere, writeHead } from './head.ts'
import { COPIES_PREFIX, copyHeadName, copyTableName, parseCopyName } from './names.ts'

/** Plain bytes of one section: large enough for zstd, small enough for memory. */
const SECTION_BYTES = 4 * MIB

interface CopyParts {
  readonly store: ObjectStore
  readonly ring: KeyRing
}

export class StoredCopies implements TableCopies {
  private readonly parts: CopyParts

  constructor(parts: CopyParts) {
    this.parts = parts
  }

  async begin({ warehouse, signal }: { warehouse: string; signal: AbortSignal }): Promise<TableCopyWriter> {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(warehouse)) throw errors.badWarehouseName({ name: warehouse })
    return new StoredCopyWriter(this.parts, warehouse, timedId(await this.parts.store.now({ signal })))
  }

  async list(warehouse: string, signal: AbortSignal): Promise<readonly TableCopy[]> {
    const found: TableCopy[] = []
    for await (const { name } of this.parts.store.list(`${COPIES_PREFIX}${warehouse}/`, { signal })) {
      const parsed = parseCopyName(name)
      if (parsed?.warehouse !== warehouse || parsed.table !== undefined) continue
      const copy = await readHeadIfThere(name, { ...this.parts, signal })
      if (copy) found.push(copy)
    }
    return found.sort((one, other) => one.takenMs - other.takenMs || (one.id < other.id ? -1 : 1))
  }

  async *read(copy: TableCopy, table: CopiedTable, signal: AbortSignal): AsyncGenerator<Buffer> {
    const name = copyTableName(copy.warehouse, copy.id, copy.tables.indexOf(table))
    const hash = createHash('sha256')
    let bytes = 0
    for await (const section of readSections(name, 'copy', { ...this.parts, signal })) {
      if (section.type !== 'copyRows') throw damaged(name, `section ${section.number} holds no rows`)
      hash.update(section.plain)
      bytes += section.plain.length
      yield section.plain
    }
    if (bytes !== table.bytes || hash.digest('hex') !== table.sha256)
      throw damaged(name, 'it is not the stream that the head of its copy names')
  }

  async remove(copy: TableCopy, signal: AbortSignal): Promise<void> {
    const { store } = this.parts
    await store.remove(copyHeadName(copy.warehouse, copy.id), { signal })
    for (const index of copy.tables.keys())
      await store.remove(copyTableName(copy.warehouse, copy.id, index), { signal })
  }
}

class StoredCopyWriter implements TableCopyWriter {
  readonly id: string
  private readonly parts: CopyParts
  private readonly warehouse: string
  private readonly tables: CopiedTable[] = []

  constructor(parts: CopyParts, warehouse: string, id: string) {
    this.parts = parts
    this.warehouse = warehouse
    this.id = id
  }

  async add(
    table: Pick<CopiedTable, 'database' | 'schema' | 'name' | 'columns'>,
    content: { readonly stream: AsyncIterable<Buffer>; rows(): number },
    signal: AbortSignal,
  ): Promise<CopiedTable> {
    const name = copyTableName(this.warehouse, this.id, this.tables.length)
    const object = await ObjectStream.create(this.parts.store, this.parts.ring, { name, kind: 'copy', signal })
    try {
      const stored = await storeStream(object, content.stream)
      await object.finish()
      const done = { ...table, rows: content.rows(), ...stored }
      this.tables.push(done)
      return done
    } catch (error) {
      await object.abandon().catch(() => {})
      throw error
    }
  }

  async commit(about: Omit<TableCopy, 'id' | 'warehouse' | 'tables'>, signal: AbortSignal): Promise<TableCopy> {
    const copy: TableCopy = { ...about, id: this.id, warehouse: this.warehouse, tables: this.tables }
    await this.parts.store.barrier({ signal })
    await writeHead(copy, { ...this.parts, signal })
    return copy
  }
}

/** Pieces of any size become sections of one size. */
async function storeStream(
  object: ObjectStream,
  stream: AsyncIterable<Buffer>,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  let pieces: Buffer[] = []
  let pending = 0
  const flush = async (): Promise<void> => {
    if (pending === 0) return
    await object.add({ type: 'copyRows', label: Buffer.alloc(0), plain: Buffer.concat(pieces) }, true)
    pieces = []
    pending = 0
  }
  for await (const piece of stream) {
    hash.update(piece)
    bytes += piece.length
    pending += piece.length
    pieces.push(piece)
    if (pending >= SECTION_BYTES) await flush()
  }
  await flush()
  return { bytes, sha256: hash.digest('hex') }
}
