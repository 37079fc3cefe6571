// Which blocks are to be healed, as they are named on the command line.
import { BLOCKS_PER_SEGMENT, type ForkName, type RelationFile } from '../../wal/contract.ts'
import { blockErrors as errors } from './errors.ts'

/** One block of a relation's main (or init) fork. */
export interface WantedBlock {
  readonly file: RelationFile
  readonly fork: ForkName
  /** Number within the fork. */
  readonly block: number
  /** Path of the segment file that holds it, relative to the data directory. */
  readonly path: string
  /** Number within that file. */
  readonly inFile: number
  /** For people: `schema.table`, else the file. */
  readonly relation: string
}

/** `7,12,20-25` → numbers, ascending, distinct. */
export function parseBlocks(text: string): readonly number[] {
  const blocks = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part.trim())
    if (!match) throw errors.badBlocks(text)
    const from = Number(match[1])
    const to = match[2] === undefined ? from : Number(match[2])
    if (to < from || to > 0xffff_fffe || to - from > 100_000) throw errors.badBlocks(text)
    for (let block = from; block <= to; block++) blocks.add(block)
  }
  return [...blocks].sort((a, b) => a - b)
}

export interface ParsedFile {
  readonly file: RelationFile
  readonly fork: ForkName
  readonly segment: number
  /** Path of the first segment of the fork. */
  readonly first: string
}

const patterns = [
  /^(global)\/([1-9]\d*)(?:_(fsm|vm|init))?(?:\.([1-9]\d*))?$/,
  /^base\/(\d+)\/([1-9]\d*)(?:_(fsm|vm|init))?(?:\.([1-9]\d*))?$/,
  /^pg_tblspc\/(\d+)\/PG_\d+_\d+\/(\d+)\/([1-9]\d*)(?:_(fsm|vm|init))?(?:\.([1-9]\d*))?$/,
] as const

/** Rejects with `recovery.bad-block-file` for what is no file of a relation. */
export function parseFile(path: string): ParsedFile {
  const [shared, base, spaced] = patterns.map((pattern) => pattern.exec(path))
  const match = shared ?? base ?? spaced
  if (!match) throw errors.badBlockFile(path)
  const parts = spaced ? [Number(match[1]), ...match.slice(2)] : [shared ? 1664 : 1663, ...match.slice(1)]
  const [tablespace, database, relfilenode, fork, segment] = parts
  return {
    file: {
      tablespace: Number(tablespace),
      database: shared ? 0 : Number(database),
      relfilenode: Number(relfilenode),
    },
    fork: (fork ?? 'main') as ForkName,
    segment: Number(segment ?? 0),
    first: segment === undefined ? path : path.slice(0, path.lastIndexOf('.')),
  }
}

/** VM and FSM are PostgreSQL's own to make anew. */
export function wantedBlock(of: {
  readonly parsed: ParsedFile
  readonly block: number
  readonly relation: string
}): WantedBlock {
  const { file, fork, first } = of.parsed
  if (fork === 'vm' || fork === 'fsm') throw errors.mapFork({ fork, what: of.relation })
  const segment = Math.floor(of.block / BLOCKS_PER_SEGMENT)
  return {
    file,
    fork,
    block: of.block,
    path: segment === 0 ? first : `${first}.${segment}`,
    inFile: of.block % BLOCKS_PER_SEGMENT,
    relation: of.relation,
  }
}

export function keyOf(block: Pick<WantedBlock, 'path' | 'inFile'>): string {
  return `${block.path}:${block.inFile}`
}
