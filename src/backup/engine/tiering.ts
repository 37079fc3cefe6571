// Tiers while a backup is taken: what is left out by name, and a second look before the end, since a name may have changed meanwhile.
import type { Listing } from '../../base/packed-list.ts'
import type { MappedRelation } from '../../repository/contract.ts'
import { BLOCK_BYTES, BLOCKS_PER_SEGMENT } from '../../wal/contract.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import { keyOf, type FilePlan, type PlannedSegment } from '../plan/files.ts'
import { assignTiers, type Tiered, type TierRule } from '../plan/tiers.ts'
import { readRelations } from '../server/catalog.ts'
import { readTierFacts } from '../server/tier-facts.ts'
import { parseSegmentPath } from '../source/paths.ts'

export interface ReadTiers extends Omit<Tiered, 'relations'> {
  readonly relations: Listing<MappedRelation>
  readonly warnings: readonly string[]
}

/** Rules that decide which files are read need the catalog before the listing. */
export function needTiersFirst(rules: readonly TierRule[]): boolean {
  return rules.some((one) => one.tier === 'scratch' || one.defer !== undefined)
}

export async function readTiers(
  warehouse: Warehouse,
  rules: readonly TierRule[],
  signal: AbortSignal,
): Promise<ReadTiers> {
  const { value, warnings } = await readRelations(warehouse, signal)
  if (rules.length === 0) return { relations: value, leftOut: new Set(), deferred: new Map(), notes: [], warnings }
  const relations = [...value]
  return { ...assignTiers(relations, await readTierFacts(warehouse, relations, signal), rules), warnings }
}

/** The files that are left out no more: renamed, attached or referred to since the first look. They must be read before the backup ends. */
export function takenBack(plan: FilePlan, now: Pick<ReadTiers, 'leftOut'>): readonly PlannedSegment[] {
  return plan.scratch.flatMap((listed) => {
    const name = parseSegmentPath(listed.path)!
    if (now.leftOut.has(keyOf(name.file))) return []
    return [
      {
        listed,
        firstBlock: name.segment * BLOCKS_PER_SEGMENT,
        blockCount: Math.floor(listed.bytes / BLOCK_BYTES),
        plan: { kind: 'whole', reason: 'no longer of tier scratch' },
        parent: undefined,
      },
    ]
  })
}
