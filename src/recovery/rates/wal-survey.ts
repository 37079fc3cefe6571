// What the WAL that a recovery replays consists of, told by the indexes of its chunks: of a few that lie evenly, where there are many.
import { isWharfError } from '../../base/errors.ts'
import type { WalArchive, WalIndexed } from '../../repository/contract.ts'
import type { ChangeMap, RelationFile } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { PlacedChunk } from '../target/commit-index.ts'
import type { WalMix } from './wal-mix.ts'

/** Each costs one small read; so many tell the mix of a terabyte well enough. */
export const MOST_READ = 32
/** Of the WAL before, which only alternatives would replay. */
const MOST_OLDER = 12
const AT_ONCE = 6

export interface SurveyParts {
  readonly wal: Pick<WalArchive, 'readIndex'>
  /** Of the history, in the order of WAL. */
  readonly chunks: readonly PlacedChunk[]
  readonly fromLsn: Lsn
  readonly toLsn: Lsn
  /** Where the longest of the replays begins that this one is compared with. */
  readonly olderLsn?: Lsn | undefined
  readonly most?: number | undefined
  readonly signal: AbortSignal
}

interface Read extends PlacedChunk {
  readonly index: WalIndexed
}

/** Never fails for a chunk that cannot be read: only a prediction suffers. */
export async function surveyWal(parts: SurveyParts): Promise<WalSurvey> {
  const { wal, chunks, fromLsn, toLsn, olderLsn = fromLsn, most = MOST_READ, signal } = parts
  const within = chunks.filter((one) => one.toLsn > fromLsn && one.fromLsn < toLsn)
  const older = chunks.filter((one) => one.toLsn > olderLsn && one.toLsn <= fromLsn)
  const chosen = [...evenly(older, MOST_OLDER), ...evenly(within, most)]
  const read: Read[] = []
  for (let at = 0; at < chosen.length; at += AT_ONCE) {
    const some = chosen.slice(at, at + AT_ONCE).map(async (one): Promise<Read | undefined> => {
      try {
        return { ...one, index: await wal.readIndex(one.info, signal) }
      } catch (error) {
        signal.throwIfAborted()
        if (isWharfError(error)) return undefined
        throw error
      }
    })
    read.push(...(await Promise.all(some)).filter((one) => one !== undefined))
  }
  return new WalSurvey(read)
}

export class WalSurvey {
  private readonly read: readonly Read[]

  constructor(read: readonly Read[]) {
    this.read = read
  }

  /**
   * The mix of a stretch; undefined where no chunk of it says what it consists of, as those of older versions. `keeps`: files whose pages are replayed,
   * where that are not all.
   */
  between(fromLsn: Lsn, toLsn: Lsn, keeps?: (file: RelationFile) => boolean): WalMix | undefined {
    let [bytes, records, imageBytes, voidBytes, reads] = [0, 0, 0, 0, 0]
    for (const { index, info, from, to } of this.parts(fromLsn, toLsn)) {
      const { contents, changeMap } = index
      if (!contents) continue
      bytes += Number(to - from)
      // What is void stands at the end.
      const whole = Number(info.endLsn - info.startLsn)
      const passedOver = Math.max(0, Math.min(Number(to - from), contents.voidBytes - Number(info.endLsn - to)))
      const share = (Number(to - from) - passedOver) / Math.max(1, whole - contents.voidBytes)
      voidBytes += passedOver
      records += contents.records * share
      const kept = share * keptShare(changeMap, keeps)
      imageBytes += contents.imageBytes * kept
      reads += contents.reads * kept
    }
    if (bytes === 0) return undefined
    const scale = Number(toLsn - fromLsn) / bytes
    const scaled = (value: number): number => Math.round(value * scale)
    return {
      records: scaled(records),
      imageBytes: scaled(imageBytes),
      voidBytes: scaled(voidBytes),
      reads: scaled(reads),
    }
  }

  /**
   * Blocks of main forks that are kept and new, each counted once for a chunk; undefined where a chunk does not tell. Of more chunks than were read it is
   * an estimate.
   */
  blocksWhere(
    fromLsn: Lsn,
    toLsn: Lsn,
    of: { isKept: (file: RelationFile) => boolean; isNew: (file: RelationFile, block: number) => boolean },
  ): number | undefined {
    let [bytes, blocks] = [0, 0]
    for (const { index, from, to } of this.parts(fromLsn, toLsn)) {
      if (!index.changeMap) return undefined
      bytes += Number(to - from)
      for (const { file, fork, change } of index.changeMap.entries()) {
        if (fork !== 'main' || !of.isKept(file)) continue
        for (const block of change.blocks) if (of.isNew(file, block)) blocks++
      }
    }
    return bytes === 0 ? undefined : Math.ceil((blocks * Number(toLsn - fromLsn)) / bytes)
  }

  private *parts(fromLsn: Lsn, toLsn: Lsn): Iterable<Pick<Read, 'index' | 'info'> & { from: Lsn; to: Lsn }> {
    for (const { index, info, ...one } of this.read) {
      const from = one.fromLsn > fromLsn ? one.fromLsn : fromLsn
      const to = one.toLsn < toLsn ? one.toLsn : toLsn
      if (to > from) yield { index, info, from, to }
    }
  }
}

/** So many of them, the first and the last among them. */
export function evenly<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all
  return Array.from({ length: most }, (_, n) => all[Math.round((n * (all.length - 1)) / (most - 1))]!)
}

/** Of the blocks that WAL changes, those of files whose pages are replayed. */
function keptShare(map: ChangeMap | undefined, keeps: ((file: RelationFile) => boolean) | undefined): number {
  if (!map || !keeps) return 1
  let [all, kept] = [0, 0]
  for (const { file, change } of map.entries()) {
    all += change.blocks.length
    if (keeps(file)) kept += change.blocks.length
  }
  return all === 0 ? 1 : kept / all
}
