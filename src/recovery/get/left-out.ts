// What is left out of a sandbox, as `wal get` is told of it, and WAL without it.
import type { SegmentPlace } from '../../wal/rewrite.ts'
import { leaveOutAtEnd, leaveOutAtStart, leaveOutRecords, type LeftOutRelations } from '../../wal/leave-out.ts'

export interface LeftOut {
  /** Relations whose files are stubs. */
  readonly relations: readonly {
    readonly tablespace: number
    readonly database: number
    /** Each in four bytes, the lowest first: a warehouse may have a million. */
    readonly relfilenodes: Uint8Array
  }[]
  /** Databases of which nothing is there: what appears in them later is not wanted either. */
  readonly databases: readonly number[]
}

/** `keys`: `tablespace/database/relfilenode`. */
export function packLeftOut(keys: Iterable<string>, databases: Iterable<number>): LeftOut {
  const groups = new Map<string, number[]>()
  for (const key of keys) {
    const [tablespace, database, relfilenode] = key.split('/')
    const group = `${tablespace}/${database}`
    const known = groups.get(group)
    if (known) known.push(Number(relfilenode))
    else groups.set(group, [Number(relfilenode)])
  }
  const relations = [...groups].map(([group, numbers]) => {
    const [tablespace, database] = group.split('/').map(Number)
    const relfilenodes = Buffer.alloc(numbers.length * 4)
    for (const [n, one] of numbers.entries()) relfilenodes.writeUInt32LE(one, n * 4)
    return { tablespace: tablespace!, database: database!, relfilenodes }
  })
  return { relations, databases: [...databases] }
}

export function relationsOf(leftOut: LeftOut): LeftOutRelations {
  const databases = new Set(leftOut.databases)
  const groups = leftOut.relations.map(({ tablespace, database, relfilenodes }) => {
    const view = new DataView(relfilenodes.buffer, relfilenodes.byteOffset, relfilenodes.length)
    const numbers = new Set<number>()
    for (let at = 0; at < relfilenodes.length; at += 4) numbers.add(view.getUint32(at, true))
    return { tablespace, database, numbers }
  })
  return {
    has: (tablespace, database, relfilenode) => {
      if (databases.has(database)) return true
      for (const one of groups)
        if (one.database === database && one.tablespace === tablespace) return one.numbers.has(relfilenode)
      return false
    },
  }
}

export interface LeaveOutParts {
  readonly place: SegmentPlace
  readonly relations: LeftOutRelations
  /** The whole neighbouring segment, as the repository has it. */
  readonly neighbour: (side: 'previous' | 'next') => Promise<Buffer | undefined>
}

/** Changes `segment`. False: the next segment is needed to tell what its last record is, and is not there. */
export async function leaveOut(segment: Buffer, parts: LeaveOutParts): Promise<boolean> {
  const { place, relations, neighbour } = parts
  const found = leaveOutRecords(segment, place, relations)
  if (found.previous && place.startLsn > 0n) {
    const previous = await neighbour('previous')
    if (previous) leaveOutAtStart(segment, { place, leftOut: relations, previous })
  }
  if (found.next === undefined) return true
  const next = await neighbour('next')
  if (next) leaveOutAtEnd(segment, { place, leftOut: relations, start: found.next, next })
  return next !== undefined
}
