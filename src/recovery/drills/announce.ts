// Tells the control database of a drill, where there is one: an event for those who watch, and a line of the audit chain that holds the hash of the
// evidence. A drill never fails for want of it (P4).
import { messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { existingControlDatabase, runningControlDatabase } from '../../control/running.ts'
import type { Evidence } from './evidence.ts'
import { findingText } from './damage.ts'

/** How long it may hold up a drill that is done. */
const LIMIT_MS = 10_000
const mostFindings = 20

/** A line of the audit chain before anything is found, so that a drill which is killed, and its mark removed, is missed. */
export async function announceBegin(
  context: Context,
  drill: { readonly id: string; readonly warehouse: string; readonly actor: string },
): Promise<void> {
  const { id, warehouse, actor } = drill
  const detail = { drill: id, host: context.environment.hostname, home: context.home }
  await within(context, id, async () => {
    const control = await runningControlDatabase(context)
    await control?.audit({ actor, action: 'drill begin', subject: warehouse, detail })
  })
}

export async function announceDrill(context: Context, drill: { evidence: Evidence; digest: string }): Promise<void> {
  const { evidence, digest } = drill
  const { id, number, warehouse, outcome, actor } = evidence
  // What an operator must hear of is worth the start of the control database.
  const open = outcome === 'failed' || outcome === 'interrupted' ? existingControlDatabase : runningControlDatabase
  await within(context, id, async () => {
    const control = await open(context)
    if (!control) return
    await control.audit({
      actor,
      action: 'drill run',
      subject: warehouse,
      detail: { drill: id, number, outcome, digest, host: context.environment.hostname, home: context.home },
    })
    await control.emit({ kind: `recovery.drill-${outcome}`, subject: warehouse, data: eventOf(evidence) })
  })
}

async function within(context: Context, drill: string, tell: () => Promise<void>): Promise<void> {
  const patience = new AbortController()
  const late = context.clock.sleep(LIMIT_MS, patience.signal).then(
    () => Promise.reject(new Error(`the control database gave no answer for ${LIMIT_MS / 1000} s`)),
    () => {},
  )
  await Promise.race([tell(), late])
    .catch((error: unknown) =>
      context.log.warn({ drill, reason: messageOf(error) }, 'the control database was not told of a drill'),
    )
    .finally(() => patience.abort())
}

function eventOf(evidence: Evidence): Readonly<Record<string, unknown>> {
  const { id, tier, backup, repository, durationMs, findings } = evidence
  return { drill: id, tier, backup, repository, durationMs, findings: findings.slice(0, mostFindings).map(findingText) }
}
