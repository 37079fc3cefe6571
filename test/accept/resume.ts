// Acceptance 4, for interrupted backups: each case kills three backups at other moments, changes data between, lets a pack rot, and compares what the next ones
// restore to with the server.
import { messageOf } from '../../src/base/errors.ts'
import type { AcceptOptions } from '../../tools/accept.ts'
import { resumeKilled } from '../crash/resume.ts'

export const defaultCount = 30

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  const { count, seed, resumeFrom, signal } = options
  let passed = resumeFrom
  let failed = 0
  for (let at = resumeFrom; at < count && !signal.aborted; at++) {
    const failure = await resumeKilled({ seed: seed + at, log: (line) => options.log(line) }).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure === undefined) passed++
    else failed++
    options.done(at + 1, failure)
  }
  return { passed, failed }
}
