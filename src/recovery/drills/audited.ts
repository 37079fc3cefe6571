// Evidence held against the audit chain of the control database: who has the key of the home can write the archive anew, but not that.
import type { Context } from '../../base/room.ts'
import type { ControlDatabase } from '../../control/contract.ts'
import { runningControlDatabase } from '../../control/running.ts'
import type { Archive, KeptDrill } from './archive.ts'

/** What the audit chain says of a drill. Those of other homes and hosts are there too. */
export interface AuditedDrill {
  readonly drill: string
  /** Null where it only says that it was begun. */
  readonly number: number | null
  readonly digest: string | null
  /** Null in lines of old versions. */
  readonly host: string | null
  readonly home: string | null
}

/** Undefined where no control database runs, or it gives no answer. */
export async function auditedDrills(context: Context): Promise<readonly AuditedDrill[] | undefined> {
  const control = await runningControlDatabase(context).catch((): ControlDatabase | undefined => undefined)
  return await control
    ?.query<AuditedDrill>(
      `select detail->>'drill' as drill, (detail->>'number')::int as number, detail->>'digest' as digest, detail->>'host' as host, detail->>'home' as home
         from control.audit where action = 'drill begin' or (action = 'drill run' and detail ? 'digest')`,
    )
    .catch(() => undefined)
}

export type AuditVerdict = 'agrees' | 'differs' | 'missing' | 'not asked'

export function auditVerdict(one: KeptDrill, audited: readonly AuditedDrill[] | undefined): AuditVerdict {
  if (!audited || !one.evidence) return 'not asked'
  const known = audited.filter(({ drill, digest }) => digest !== null && drill === one.evidence!.id)
  if (known.length === 0) return 'missing'
  return known.some(({ digest }) => digest === one.digest) ? 'agrees' : 'differs'
}

export interface Here {
  readonly host: string
  readonly home: string
  /** Ids of drills that have begun and not ended, as this home knows. */
  readonly unended: ReadonlySet<string>
}

/** Drills of this home that are not in the archive any more, also where its end was cut off and its head set back. */
export function missingByAudit(
  { drills }: Pick<Archive, 'drills'>,
  audited: readonly AuditedDrill[] | undefined,
  here: Here,
): readonly string[] {
  const isThere = ({ drill, number }: AuditedDrill): boolean =>
    drills.some(({ evidence, number: own }) => (evidence ? evidence.id === drill : own === number))
  const own = (audited ?? []).filter((one) => one.host === here.host && one.home === here.home)
  const ended = own.filter((one) => one.digest !== null)
  const endedIds = new Set(ended.map((one) => one.drill))
  const begun = own.filter((one) => one.digest === null && !endedIds.has(one.drill) && !here.unended.has(one.drill))
  return [
    ...ended
      .filter((one) => !isThere(one))
      .map((one) => `drill ${one.drill} is missing: the audit chain of the control database knows of it`),
    ...begun
      .filter((one) => !isThere(one))
      .map(
        (one) =>
          `drill ${one.drill} was begun and left no evidence: the audit chain of the control database knows of it`,
      ),
  ]
}

export function auditProblems(
  archive: Pick<Archive, 'drills'>,
  audited: readonly AuditedDrill[] | undefined,
  here: Here,
): readonly string[] {
  const differ = archive.drills
    .filter((one) => auditVerdict(one, audited) === 'differs')
    .map((one) => `drill ${one.evidence!.id}: the audit chain of the control database holds another hash of it`)
  return [...differ, ...missingByAudit(archive, audited, here)]
}
