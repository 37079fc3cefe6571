// Expiry under faults, in full: killed at every call of the store in each stage, then histories in which several are at work at once, die, and
// live through clocks that step by days. One case is one call, or one history.
import { killBase, killedAt, callsOf, stages, together } from '../prune/faults.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'

export const defaultCount = 1000

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  await using base = await killBase(options.seed)
  const kills = []
  for (const stage of stages) {
    const calls = await callsOf(base, stage)
    for (let at = 0; at < calls; at++) kills.push({ stage, at })
  }
  // The two kinds by turns, so that a slice sees both.
  let failed = 0
  for (let at = options.resumeFrom; at < options.count && !options.signal.aborted; at++) {
    const kill = at % 2 === 0 ? kills[((at / 2) * 37) % kills.length]! : undefined
    const what = kill ? `${kill.stage} killed at call ${kill.at}` : `history ${options.seed + at}`
    try {
      await (kill ? killedAt(base, kill.stage, kill.at) : together(options.seed + at))
      options.done(at + 1)
    } catch (error) {
      failed++
      options.done(at + 1, `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }
  options.log(
    `${kills.length} calls in all; ${Math.min(kills.length, Math.ceil(options.count / 2))} of them are killed`,
  )
  return { passed: options.count - failed, failed }
}
