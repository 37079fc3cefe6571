// Acceptance 5 and 7: loads that are kept, and their replay, killed −9 at random moments; what was lost with the server is back, equal to the truth. One case is
// one server with five nights; versions 15 and 18 take turns.
import { messageOf } from '../../src/base/errors.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { killLoadsAndReplay } from '../crash/replay-kill.ts'

export const defaultCount = 10

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let failed = 0
  let done = options.resumeFrom
  for (; done < options.count && !options.signal.aborted; done++) {
    const seed = options.seed * 10_000 + done
    const failure = await killLoadsAndReplay({ major: done % 2 === 0 ? 15 : 18, seed, kills: 5, days: 3 }).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure !== undefined) failed++
    options.done(done + 1, failure)
  }
  return { passed: done - options.resumeFrom - failed, failed }
}
