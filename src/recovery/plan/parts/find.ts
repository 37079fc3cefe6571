// What a plan of a part is made of, found in the repository alone; nothing is written, no lease is taken.
import { join } from 'node:path'

import type { Context } from '../../../base/room.ts'
import type { Manifest } from '../../../repository/contract.ts'
import { readRecords } from '../../rates/times.ts'
import { placeTablespaces } from '../../restore/layout.ts'
import { chooseFiles, type SandboxWish } from '../../sandbox/choice.ts'
import { sandboxSpace, stopOf } from '../../sandbox/prepare.ts'
import { otherBackups } from '../alternatives.ts'
import { findTarget, type TargetChoice } from '../find-target.ts'
import { makePartPlan, surveyFor, type PartParts, type PartPlan } from './plan.ts'

export interface PartRequest extends TargetChoice {
  /** Folder below which the sandbox will be made; default: the home's. */
  readonly sandboxDirectory?: string | undefined
}

/** What the way has to say, once the backup is known. */
export type PartWish = Pick<PartParts, 'way' | 'what' | 'live' | 'notes' | 'after'> & SandboxWish

export async function findPartPlan(
  request: PartRequest,
  wishOf: (manifest: Manifest) => PartWish,
  { context, signal }: { context: Context; signal: AbortSignal },
): Promise<PartPlan> {
  const found = await findTarget(request, context, { leased: false, signal })
  await using _ = { [Symbol.asyncDispose]: () => found.close() }
  const { manifest, resolved, repository, backups } = found
  const wish = wishOf(manifest)
  const choice = chooseFiles(manifest, wish)
  const root = join(request.sandboxDirectory ?? join(context.home, 'sandboxes'), 'data')
  const layout = placeTablespaces({ root, tablespaces: manifest.tablespaces, moves: {}, original: false })
  return await makePartPlan(
    {
      ...wish,
      repository: repository.name,
      manifest,
      choice,
      resolved,
      stop: await stopOf({ repository, resolved }, signal),
      survey: await surveyFor({ repository, resolved, choice }, signal),
      space: await sandboxSpace({ layout, choice, resolved }),
      others: otherBackups(resolved, backups),
      backupAsked: request.backup !== undefined,
      asked: {
        records: await readRecords(context.home),
        warehouse: request.warehouse,
        repository: repository.name,
        machine: context.environment.hostname,
        way: wish.way,
      },
    },
    signal,
  )
}
