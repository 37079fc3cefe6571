// Acceptance 7 of issue 4: kill −9 of recoveries in every way: in place, into new folders, with their server replaying, with the critical tier first, of followers, of
// tables and tablespaces, of databases, of blocks, of copies and of drills, in groups on a cluster of their own each. Loads that are replayed: `replay`. A failure is repeated with --seed and the case's number.
import { messageOf } from '../../src/base/errors.ts'
import type { AcceptOptions } from '../../tools/accept.ts'
import { killCopies } from '../crash/copies-kill.ts'
import { killCriticalFirst } from '../crash/critical-kill.ts'
import { killFollow } from '../crash/follow-kill.ts'
import { killBlocks, killDatabase, killDrill, killTables } from '../crash/parts-kill.ts'
import { killFresh, killInPlace } from '../crash/recover-kill.ts'
import { killStarted } from '../crash/started-kill.ts'

export const defaultCount = 500
/** Kills on one cluster. A slice (ACCEPT_GIGABYTES below 4) has time for one. */
const GROUP = Number(process.env['ACCEPT_GIGABYTES'] ?? 4) < 4 ? 1 : 10

const ways = [
  killInPlace,
  killFresh,
  killStarted,
  killFollow,
  killTables,
  killDrill,
  killBlocks,
  killDatabase,
  killCriticalFirst,
  killCopies,
] as const

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  const { count, seed, resumeFrom, signal } = options
  let [passed, failed] = [0, 0]
  for (let at = resumeFrom; at < count && !signal.aborted; at += GROUP) {
    const group = Math.floor(at / GROUP)
    const kills = Math.min(GROUP, count - at)
    // Each way comes on both, however many there are.
    const major = (group + Math.floor(group / ways.length)) % 2 === 0 ? 15 : 18
    const failure = await ways[group % ways.length]!({
      kills,
      seed: seed * 1000 + at,
      major,
      log: (line) => options.log(line),
    }).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure === undefined) passed += kills
    else failed++
    options.done(at + kills, failure)
  }
  return { passed, failed }
}
