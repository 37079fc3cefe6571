// What a recovery would lose or bring back empty, named before anything is done (P6).
import { isWharfError } from '../../base/errors.ts'
import type { CorruptBlock, Manifest } from '../../repository/contract.ts'
import { BLOCKS_PER_SEGMENT } from '../../wal/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { ReplayOutlook } from '../replay/plan-replay.ts'
import { scratchNames } from '../server/scratch.ts'
import { endsTransaction } from '../target/moments.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { formatMoment } from '../target/time.ts'

export interface Loss {
  readonly unlogged: {
    readonly relations: readonly string[]
    readonly bytes: number
    /** What kept loads bring back of them afterwards. */
    readonly replay?: ReplayOutlook
  }
  /** Left out by tier. */
  readonly scratch: { readonly relations: readonly string[]; readonly bytes: number }
  /** Committed after the target; undefined where nothing is known to be. */
  readonly transactions: { readonly count: number; readonly first: string; readonly last: string } | undefined
  /** Why transactions and loads could not be counted. */
  readonly uncounted: string | undefined
  /** Ids of loads that were committed after the target. */
  readonly loads: readonly string[]
  /** WAL that is missing, so that what follows it cannot be reached. */
  readonly hole: { readonly from: string; readonly to: string; readonly minimal?: true } | undefined
  /** Blocks that were damaged at the source, with the relation where the manifest knows it. */
  readonly corrupt: readonly string[]
}

export async function lossOf(manifest: Manifest, resolved: ResolvedTarget, signal: AbortSignal): Promise<Loss> {
  const relations = manifest.relations.filter(
    (one) => one.persistence === 'u' && (one.kind === 'r' || one.kind === 'm' || one.kind === 'S'),
  )
  const after = await lostAfter(resolved, signal).catch((error: unknown) => {
    if (!isWharfError(error, 'recovery.undecoded')) throw error
    return { transactions: undefined, loads: [], uncounted: error.message }
  })
  const { hole } = resolved.reach
  return {
    unlogged: {
      relations: relations.map((one) => `${one.database}.${one.schema}.${one.name}`),
      bytes: manifest.unlogged.reduce((sum, one) => sum + one.bytes, 0),
    },
    scratch: { relations: scratchNames(manifest), bytes: manifest.statistics.skippedScratchBytes },
    ...after,
    hole: hole && {
      from: formatLsn(hole.fromLsn),
      to: formatLsn(hole.toLsn),
      ...(hole.stopped ? { minimal: true as const } : {}),
    },
    corrupt: manifest.corrupt.map((one) => nameCorrupt(one, manifest)),
  }
}

/** `base/5/16385.2 block 17 (checksum; retail.public.sales)`. */
export function nameCorrupt(one: CorruptBlock, manifest: Pick<Manifest, 'relations'>): string {
  const match = /(?:^|\/)(\d+)\/(\d+)(?:_\w+)?(?:\.(\d+))?$/.exec(one.file)
  const relation =
    match &&
    manifest.relations.find(
      (known) => known.databaseOid === Number(match[1]) && known.file.relfilenode === Number(match[2]),
    )
  const block = one.block + Number(match?.[3] ?? '0') * BLOCKS_PER_SEGMENT
  const name = relation ? `; block ${block} of ${relation.database}.${relation.schema}.${relation.name}` : ''
  return `${one.file} block ${one.block} (${one.reason}${name})`
}

async function lostAfter(
  resolved: ResolvedTarget,
  signal: AbortSignal,
): Promise<Pick<Loss, 'transactions' | 'loads' | 'uncounted'>> {
  const from = startOfLoss(resolved)
  if (from === undefined) return { transactions: undefined, loads: [], uncounted: undefined }
  let [count, first, last] = [0, 0n, 0n]
  const marks = new Map<number, string>()
  const loads: string[] = []
  // A load's mark may stand before the target and its commit after it.
  for await (const entry of resolved.history.entries(resolved.backup.startLsn)) {
    signal.throwIfAborted()
    if (entry.kind === 'load' && entry.name !== undefined) marks.set(entry.xid, entry.name)
    if (!endsTransaction(entry)) continue
    const load = marks.get(entry.xid)
    marks.delete(entry.xid)
    if (entry.kind !== 'commit' || entry.startLsn < from) continue
    if (count++ === 0) first = entry.timeUs
    last = entry.timeUs
    if (load !== undefined) loads.push(load)
  }
  return {
    transactions: count === 0 ? undefined : { count, first: formatMoment(first), last: formatMoment(last) },
    loads,
    uncounted: undefined,
  }
}

/** The first position that is not recovered; undefined at the end of everything known. */
function startOfLoss({ stop, reach }: ResolvedTarget): Lsn | undefined {
  if (stop.kind === 'before') return stop.lsn
  if (stop.kind === 'after') return stop.lsn + 1n
  return reach.hole?.toLsn
}
