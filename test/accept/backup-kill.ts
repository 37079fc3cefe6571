// Acceptance 4, for backups: kills in groups of ten, each group on a cluster of its own. A failure is repeated with --seed and the case's number.
import { messageOf } from '../../src/base/errors.ts'
import type { AcceptOptions } from '../../tools/accept.ts'
import { killBackups } from '../crash/backup-kill.ts'

export const defaultCount = 50
const GROUP = 10

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  const { count, seed, resumeFrom, signal } = options
  let failed = 0
  for (let at = resumeFrom; at < count && !signal.aborted; at += GROUP) {
    const kills = Math.min(GROUP, count - at)
    const failure = await killBackups({ kills, seed: seed + at, log: (line) => options.log(line) }).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure !== undefined) failed++
    options.done(at + kills, failure)
  }
  return { passed: count - failed, failed }
}
