// Acceptance 3: histories at random of DDL, loads, vacuum, crashes and promotions over 15 to 18: every backup restored equals the truth at its own
// end and at a random later point. Case n of a seed is always the same history. WHARF_HISTORY_STEPS=1 logs every step.
import { systemClock } from '../../src/base/clock.ts'
import { messageOf } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { runHistory } from '../histories/history.ts'

export const defaultCount = 200

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let [passed, failed] = [0, 0]
  for (let number = options.resumeFrom; number < options.count && !options.signal.aborted; number++) {
    const started = systemClock.monotonic()
    const steps: string[] = []
    const failure = await runHistory(seededRandom(options.seed * 100_003 + number), number, (line) =>
      steps.push(`${Math.round(systemClock.monotonic() - started)} ${line}`),
    ).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure === undefined) passed++
    else failed++
    if (failure !== undefined || process.env['WHARF_HISTORY_STEPS'] === '1')
      for (const step of steps) options.log(`  ${step}`)
    options.log(`history ${number}: ${failure ?? 'equal'} (${Math.round(systemClock.monotonic() - started)} ms)`)
    options.done(number + 1, failure)
  }
  return { passed, failed }
}
