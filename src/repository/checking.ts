// A check of a declared repository, for the command and for schedules. Needs no open repository: one whose keys are damaged can be checked.
import type { Progress } from '../base/operation.ts'
import type { Context } from '../base/room.ts'
import { checkRepository, type CheckResult } from './check/check.ts'
import type { Depth } from './check/findings.ts'
import { parseShare } from './check/share.ts'
import { declaredRepository, repositoriesSection } from './config.ts'
import { openStore } from './stores.ts'

export interface CheckRequest {
  readonly name: string
  readonly depth: Depth
  /** As written: `1/30`. */
  readonly share?: string | undefined
}

/** What was looked at is kept in the repository. Rejects where the store cannot be reached or the key is wrong; damage is in the result. */
export async function checkDeclared(
  { name, depth, share }: CheckRequest,
  context: Context,
  tools: { report: (event: Progress) => void; signal: AbortSignal },
): Promise<CheckResult> {
  const { unlock, descriptor } = declaredRepository(context, name)
  return await checkRepository({
    store: await openStore(descriptor, tools.signal),
    unlock,
    depth,
    ...(share === undefined ? {} : { share: parseShare(share) }),
    remember: true,
    signal: tools.signal,
    progress: tools.report,
  })
}

export interface CheckSchedule {
  readonly repository: string
  readonly cron: string
  readonly timezone: string
  readonly share: string
}

/** From `repositories.<name>.check`. */
export function checkSchedules(context: Context): readonly CheckSchedule[] {
  return Object.entries(context.section(repositoriesSection)).flatMap(([repository, { check }]) =>
    check === undefined ? [] : [{ repository, ...check }],
  )
}
