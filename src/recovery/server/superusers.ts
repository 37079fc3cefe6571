// Names of superusers, read from the files of a data directory: a recovering server cannot be asked before somebody can log in.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { BLOCK_BYTES } from '../../wal/contract.ts'

const AUTHID_OID = 1260
const MAP_MAGIC = 0x59_27_17
/** FormData_pg_authid: oid (4), rolname (64), rolsuper (1), inherit, createrole, createdb, canlogin (1 each). */
const NAME_AT = 4
const NAME_BYTES = 64
const SUPER_AT = 68
const LOGIN_AT = 72

/**
 * Superusers that may log in, the bootstrap superuser (oid 10) first. Old versions of rows are read too, so a name may be outdated: they are
 * candidates to be tried. Empty where the files cannot be understood.
 */
export async function superuserCandidates(dataDirectory: string): Promise<readonly string[]> {
  try {
    const map = await readFile(join(dataDirectory, 'global', 'pg_filenode.map'))
    const filenode = mappedFilenode(map, AUTHID_OID)
    if (filenode === undefined) return []
    return rolesOf(await readFile(join(dataDirectory, 'global', String(filenode))))
  } catch {
    return []
  }
}

function mappedFilenode(map: Buffer, oid: number): number | undefined {
  if (map.length < 8 || map.readUInt32LE(0) !== MAP_MAGIC) return undefined
  const count = map.readInt32LE(4)
  for (let index = 0; index < count && 16 + index * 8 <= map.length; index++) {
    if (map.readUInt32LE(8 + index * 8) === oid) return map.readUInt32LE(12 + index * 8)
  }
  return undefined
}

function rolesOf(heap: Buffer): readonly string[] {
  const found = new Map<string, number>()
  for (let page = 0; page + BLOCK_BYTES <= heap.length; page += BLOCK_BYTES) {
    const lower = heap.readUInt16LE(page + 12)
    for (let line = page + 24; line + 4 <= page + lower; line += 4) {
      const item = heap.readUInt32LE(line)
      const [offset, flags, length] = [item & 0x7fff, (item >> 15) & 3, item >>> 17]
      if (flags !== 1 || offset + length > BLOCK_BYTES || length < 24) continue
      const data = page + offset + heap.readUInt8(page + offset + 22)
      if (data + LOGIN_AT >= page + BLOCK_BYTES) continue
      if (heap[data + SUPER_AT] !== 1 || heap[data + LOGIN_AT] !== 1) continue
      const name = heap.subarray(data + NAME_AT, data + NAME_AT + NAME_BYTES)
      const end = name.indexOf(0)
      found.set(name.subarray(0, end < 0 ? NAME_BYTES : end).toString('utf8'), heap.readUInt32LE(data))
    }
  }
  return [...found].sort(([, a], [, b]) => a - b).map(([name]) => name)
}
