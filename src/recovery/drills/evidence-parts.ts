// What the evidence of a drill says of the plan, and of what was proven. Pure.
import type { PreparedRecovery } from '../plan/prepare.ts'
import type { Proof } from '../server/start.ts'
import type { Evidence } from './evidence.ts'
import type { Inspected } from './inspect.ts'

/** Of a tier only its own time: the rest is not recovered. */
export function predictedOf({ plan, options }: PreparedRecovery): Evidence['predicted'] {
  const tier = options.criticalFirst ? plan.tiers?.find((one) => one.tier === 'critical') : undefined
  const { expectedMs, lowMs, highMs, basis } = tier ?? plan.time
  return { expectedMs, lowMs, highMs, basis }
}

export function targetOf({ plan }: PreparedRecovery): Evidence['target'] {
  const { asked, resolved, lsn, timeline } = plan.target
  return { asked, resolved, lsn, timeline }
}

export function proofOf(proof: Proof | undefined): Partial<Evidence['proof']> {
  if (!proof) return {}
  const { connections, pages, replayed } = proof
  const { tablesChecked: tables, indexesChecked: indexes, withoutAmcheck, databases } = connections
  return {
    replayedTo: replayed.lsn,
    databases,
    pages: pages ?? null,
    amcheck: tables + indexes > 0 || withoutAmcheck.length > 0 ? { tables, indexes, withoutAmcheck } : null,
  }
}

/** What could not be looked at is said: silence would look like proof. */
export function missing(proof: Proof | undefined, inspected: Inspected | undefined): readonly string[] {
  const without = proof?.connections.withoutAmcheck ?? []
  const unseen = inspected?.proof.visibility?.withoutExtension ?? []
  return [
    ...(without.length > 0 ? [`amcheck is not installed: not checked in ${without.join(', ')}`] : []),
    ...(unseen.length > 0 ? [`pg_visibility is not installed: not checked in ${unseen.join(', ')}`] : []),
    ...(proof?.pages?.checksums === false
      ? ['the cluster has no page checksums: of pages only headers were checked']
      : []),
    ...(proof?.connections.collations ?? []),
  ]
}
