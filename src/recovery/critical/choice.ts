// What must be there before the critical tier can be read: its relations, the catalogs of their databases, and everything that belongs to no relation of
// another tier. By the tiers that the backup carries: the configuration may be gone, or be another one since.
import type { Manifest, MappedRelation } from '../../repository/contract.ts'
import { chooseFiles, isCatalog, type SandboxChoice, type SandboxWish } from '../sandbox/choice.ts'

export interface CriticalPart {
  readonly wish: SandboxWish & { readonly databases: ReadonlySet<number> }
  readonly choice: SandboxChoice
  /** Tables and materialised views of the tier, `database.schema.name`, as they were called at the backup. */
  readonly names: readonly string[]
  /** Whether the backup holds tables of other tiers: without, nothing could come first. */
  readonly isPart: boolean
}

function isCritical(one: MappedRelation): boolean {
  return one.tier === 'critical' && one.databaseOid !== 0 && !isCatalog(one)
}

/** Undefined where nothing is critical. */
export function criticalPart(manifest: Manifest): CriticalPart | undefined {
  const databases = new Set<number>()
  const names: string[] = []
  let isPart = false
  for (const one of manifest.relations) {
    const isTable = one.kind === 'r' || one.kind === 'm'
    if (!isCritical(one)) {
      isPart ||= isTable && one.databaseOid !== 0 && !isCatalog(one)
      continue
    }
    databases.add(one.databaseOid)
    if (isTable) names.push(`${one.database}.${one.schema}.${one.name}`)
  }
  if (names.length === 0) return undefined
  const wish = { wanted: isCritical, databases }
  return { wish, choice: chooseFiles(manifest, wish), names: names.toSorted(), isPart }
}
