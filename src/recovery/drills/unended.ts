// What this home and the audit chain know of its drills, those among them that have no evidence yet: for whoever lists or judges them.
import type { Context } from '../../base/room.ts'
import { readArchive, type Archive } from './archive.ts'
import { auditedDrills, type AuditedDrill, type Here } from './audited.ts'
import { unendedDrills, type UnendedDrill } from './marks.ts'

export interface DrillsHere {
  readonly archive: Archive
  /** Undefined where no control database runs, or it gives no answer. */
  readonly audited: readonly AuditedDrill[] | undefined
  /** Begun, without evidence. */
  readonly unended: readonly UnendedDrill[]
  readonly here: Here
}

/**
 * A drill that ends has its evidence kept, then its mark goes, then the audit chain is told. It is asked the other way round: of one that ends meanwhile nothing
 * seems to be missing.
 */
export async function drillsHere(
  context: Pick<Context, 'home' | 'environment'>,
  ask: () => Promise<readonly AuditedDrill[] | undefined>,
): Promise<DrillsHere> {
  const { home, environment } = context
  const host = environment.hostname
  const audited = await ask()
  const marked = await unendedDrills(home, host, new Set())
  const archive = await readArchive(home)
  const kept = new Set(archive.drills.flatMap(({ evidence }) => evidence?.id ?? []))
  const unended = marked.filter((one) => !kept.has(one.id))
  return { archive, audited, unended, here: { host, home, unended: new Set(unended.map((one) => one.id)) } }
}

export function drillsOf(context: Context): Promise<DrillsHere> {
  return drillsHere(context, () => auditedDrills(context))
}
