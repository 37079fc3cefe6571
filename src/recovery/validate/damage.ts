// Damaged extents in the words of the warehouse: which blocks of which relation, and which backups do without them.
import type { Manifest } from '../../repository/contract.ts'
import { BLOCKS_PER_SEGMENT } from '../../wal/contract.ts'
import type { FoundTarget } from '../plan/find-target.ts'
import type { DamagedExtent } from './messages.ts'

export interface FileDamage {
  readonly file: string
  /** `retail.public.sales`, where the manifest knows it. */
  readonly relation: string | undefined
  /** Ranges of numbers within the fork: `17-25`, `131072`; empty: the whole file. */
  readonly blocks: readonly string[]
  readonly extents: readonly { readonly pack: string; readonly number: number }[]
  readonly why: string
}

export function describeDamage(
  file: string,
  damage: readonly DamagedExtent[],
  relation: string | undefined,
): FileDamage {
  const segment = Number(/\.(\d+)$/.exec(file)?.[1] ?? '0') * BLOCKS_PER_SEGMENT
  const whole = damage.some((one) => one.blocks === undefined)
  const blocks = whole ? [] : damage.flatMap((one) => one.blocks!.map((block) => block + segment))
  return {
    file,
    relation,
    blocks: rangesOf(blocks),
    extents: damage.filter((one) => one.pack !== '').map((one) => ({ pack: one.pack, number: one.extent })),
    why: damage[0]!.why,
  }
}

export function rangesOf(numbers: readonly number[]): readonly string[] {
  const ranges: { from: number; to: number }[] = []
  for (const number of new Set(numbers.toSorted((one, other) => one - other))) {
    const last = ranges.at(-1)
    if (last && number === last.to + 1) last.to = number
    else ranges.push({ from: number, to: number })
  }
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`))
}

export function relationOf(file: string, manifest: Pick<Manifest, 'relations'>): string | undefined {
  const match = /(?:^|\/)(\d+)\/(\d+)(?:_\w+)?(?:\.\d+)?$/.exec(file)
  if (!match) return undefined
  const found = manifest.relations.find(
    (one) => one.databaseOid === Number(match[1]) && one.file.relfilenode === Number(match[2]),
  )
  return found && `${found.database}.${found.schema}.${found.name}`
}

/** How many of the other backups are looked at, the newest first. */
const MOST_BACKUPS = 30

/** Ids of other backups of the same cluster that name none of the packs, newest first. That they are whole is not known. */
export async function spared(
  { repository, backups, manifest }: FoundTarget,
  packs: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const others = backups.filter((one) => one.id !== manifest.id && one.systemIdentifier === manifest.systemIdentifier)
  const found: string[] = []
  for (const { id } of others.toReversed().slice(0, MOST_BACKUPS)) {
    const other = await repository
      .readManifest(id, signal, {
        without: ['files', 'relations', 'folders', 'unlogged', 'scratch', 'corrupt', 'outsideFiles'],
      })
      .catch(() => undefined)
    if (other && !other.packs.some((pack) => packs.has(pack))) found.push(id)
  }
  signal.throwIfAborted()
  return found
}
