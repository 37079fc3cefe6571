// The plan of `recover loads`, told from the repository: which unlogged tables kept loads bring back after a recovery to the target.
import type { Context } from '../../../base/room.ts'
import { readRecords } from '../../rates/times.ts'
import { replayOutlook } from '../../replay/plan-replay.ts'
import { findTarget } from '../find-target.ts'
import { lossOf } from '../loss.ts'
import { uncountedNotes } from '../loss-text.ts'
import { backupOf, targetOf } from '../plan.ts'
import type { PlanStep } from '../steps.ts'
import type { PartRequest } from './find.ts'
import type { PartPlan } from './plan.ts'

export async function planLoads(request: PartRequest, context: Context, signal: AbortSignal): Promise<PartPlan> {
  const found = await findTarget(request, context, { leased: false, signal })
  await using _ = { [Symbol.asyncDispose]: () => found.close() }
  const { manifest, resolved, repository } = found
  const { warehouse } = request
  const records = await readRecords(context.home)
  const outlook = await replayOutlook(repository, { warehouse, manifest, resolved, records, signal })
  const none = { loads: 0, tables: [], missing: [], expectedMs: 0, lowMs: 0, highMs: 0, basis: 'measured' } as const
  const { loads, tables, missing, ...time } = outlook ?? none
  const lost = await lossOf(manifest, resolved, signal)
  const step: PlanStep = { step: 'load', what: `run ${loads} kept loads again`, bytes: 0, count: loads, ...time }
  return {
    way: 'loads',
    warehouse,
    repository: repository.name,
    what: tables,
    backup: backupOf(manifest),
    target: targetOf(resolved),
    size: { files: 0, wantedBytes: 0, catalogBytes: 0, walBytes: 0 },
    steps: loads === 0 ? [] : [step],
    time,
    space: [],
    live: [
      'on the server that was recovered: each load in one transaction, into unlogged tables that are empty; what is there is never added to',
    ],
    lost,
    notes: [
      ...(outlook === undefined ? ['nothing is kept: no load of the warehouse has keep: inputs'] : []),
      ...(missing.length > 0 ? [`kept loads do not bring back all of ${missing.join(', ')}`] : []),
      ...uncountedNotes(lost),
      'what the server itself says comes with: wharf recover loads --to URL --plan',
    ],
  }
}
