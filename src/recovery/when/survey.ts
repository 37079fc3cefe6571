// What the change maps say of each chunk of WAL: which relations of one database it touches. Cheap: no WAL is read for it.
import type { WalArchive } from '../../repository/contract.ts'
import type { CommitEntry, RelationFile } from '../../wal/contract.ts'
import type { PlacedChunk } from '../target/commit-index.ts'

/** Chunks whose maps are fetched at a time: the store answers them side by side. */
const AT_A_TIME = 16

export interface SurveyedChunk {
  readonly placed: PlacedChunk
  /** relfilenodes of the database whose main fork WAL changes here, and those that are made or dropped. */
  readonly touched: ReadonlySet<number>
  readonly dropped: ReadonlySet<number>
  /** Of pg_class. */
  readonly classBlocks: Uint32Array
  /** Nobody can tell what it touches: it must be read. */
  readonly isOpaque: boolean
  /** Why nothing in it can be understood. */
  readonly problem: string | undefined
}

export interface Survey {
  readonly chunks: readonly SurveyedChunk[]
  /** Marks of loads in the order of WAL. */
  readonly loads: readonly CommitEntry[]
}

export interface SurveyParts {
  readonly wal: Pick<WalArchive, 'readIndex'>
  readonly chunks: readonly PlacedChunk[]
  readonly database: number
  /** The file of pg_class. */
  readonly pgClass: RelationFile
  readonly signal: AbortSignal
  readonly progress?: (done: number, total: number) => void
}

export async function survey(parts: SurveyParts): Promise<Survey> {
  const chunks: SurveyedChunk[] = []
  const loads: CommitEntry[] = []
  for (let at = 0; at < parts.chunks.length; at += AT_A_TIME) {
    parts.signal.throwIfAborted()
    const group = parts.chunks.slice(at, at + AT_A_TIME)
    for (const found of await Promise.all(group.map((placed) => surveyChunk(placed, parts)))) {
      chunks.push(found.chunk)
      loads.push(...found.loads)
    }
    parts.progress?.(chunks.length, parts.chunks.length)
  }
  return { chunks, loads }
}

async function surveyChunk(
  placed: PlacedChunk,
  { wal, database, pgClass, signal }: SurveyParts,
): Promise<{ chunk: SurveyedChunk; loads: readonly CommitEntry[] }> {
  const { changeMap, commits, problem } = await wal.readIndex(placed.info, signal)
  const touched = new Set<number>()
  const dropped = new Set<number>()
  for (const { file, fork, change } of changeMap?.entries() ?? []) {
    if (file.database !== database || fork !== 'main') continue
    touched.add(file.relfilenode)
    if (change.cut === 0) dropped.add(file.relfilenode)
  }
  const doubtful = [...(changeMap?.doubtfulDatabases() ?? [])].some((one) => one.database === database)
  const classBlocks = changeMap?.fork(pgClass, 'main')?.blocks ?? new Uint32Array()
  const isOpaque = !changeMap || doubtful || changeMap.doubts.length > 0
  const loads = commits.filter((one) => one.kind === 'load')
  return { chunk: { placed, touched, dropped, classBlocks, isOpaque, problem }, loads }
}
