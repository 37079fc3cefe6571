// What must be there before the critical tier can be read: its relations, the catalogs of their databases, and everything that belongs to no relation of
// another tier. By the tiers that the backup carries: the configuration may be gone, or be another one since.
import type { Manifest, MappedRelation } from '../../repository/contract.ts'
import { chooseFiles, FIRST_USER_OID, isCatalog, type SandboxChoice, type SandboxWish } from '../sandbox/choice.ts'

export interface CriticalPart {
  readonly wish: SandboxWish & { readonly databases: ReadonlySet<number> }
  readonly choice: SandboxChoice
  /** Tables and materialised views of the tier, `database.schema.name`, as they were called at the backup. */
  readonly names: readonly string[]
  /** Whether the backup holds tables of other tiers: without, nothing could come first. */
  readonly isPart: boolean
  /** How many tables and materialised views there are in all. */
  readonly tables: number
}

/** The journal of loads lies there: it says what is in the critical tables, and costs little. */
const JOURNAL_SCHEMA = 'wharf'

function isCritical(one: MappedRelation): boolean {
  return one.tier === 'critical' && one.databaseOid !== 0 && !isCatalog(one)
}

/** Undefined where nothing is critical. */
export function criticalPart(manifest: Manifest): CriticalPart | undefined {
  const databases = new Set<number>()
  const names: string[] = []
  const journal = journalOf(manifest)
  const isKept = (one: MappedRelation): boolean => isCritical(one) || journal.has(idOf(one))
  let [isPart, tables] = [false, 0]
  for (const one of manifest.relations) {
    // Large objects are neither catalog nor anybody's table.
    const isTable = (one.kind === 'r' || one.kind === 'm') && one.oid >= FIRST_USER_OID && !isCatalog(one)
    if (isTable) tables++
    if (!isCritical(one)) {
      isPart ||= isTable && !journal.has(idOf(one))
      continue
    }
    databases.add(one.databaseOid)
    if (isTable) names.push(`${one.database}.${one.schema}.${one.name}`)
  }
  if (names.length === 0) return undefined
  const wish = { wanted: isKept, databases }
  return { wish, choice: chooseFiles(manifest, wish), names: names.toSorted(), isPart, tables }
}

function idOf({ databaseOid, oid }: MappedRelation): string {
  return `${databaseOid}/${oid}`
}

/** Its tables and all that belongs to them: indexes, TOAST, the index of that. */
function journalOf({ relations }: Pick<Manifest, 'relations'>): ReadonlySet<string> {
  const found = new Set<string>()
  for (const one of relations) if (one.schema === JOURNAL_SCHEMA) found.add(idOf(one))
  if (found.size === 0) return found
  for (let before = -1; before < found.size;) {
    before = found.size
    for (const one of relations)
      if (one.belongsTo !== undefined && found.has(`${one.databaseOid}/${one.belongsTo}`)) found.add(idOf(one))
  }
  return found
}
