// Acceptance 4, for backups: kills in groups of ten, each group on a cluster of its own. A failure is repeated with --seed and the case's number.
import { messageOf } from '../../src/base/errors.ts'
import type { AcceptOptions } from '../../tools/accept.ts'
import { killBackups } from '../crash/backup-kill.ts'

export const defaultCount = 50
const GROUP = 10

export async function run({ count, seed, log, done, resumeFrom, signal }: AcceptOptions): Promise<{ passed: number; failed: number }> {
  let failed = 0
  for (let at = resumeFrom; at < count && !signal.aborted; at += GROUP) {
    const kills = Math.min(GROUP, count - at)
    const failure = await killBackups({ kills, seed: seed + at, log }).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure !== undefined) failed++
    done(at + kills, failure)
  }
  return { passed: count - failed, failed }
}
