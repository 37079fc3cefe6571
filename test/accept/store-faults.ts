// Random faults of an S3 server over random sequences of backups and WAL: what was confirmed reads back, what failed is not listed, nothing is
// ever overwritten.
import { messageOf } from '../../src/base/errors.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { faultCase } from '../stores/faults.ts'

export const defaultCount = 300

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let failed = 0
  let complete = 0
  let at = options.resumeFrom
  for (; at < options.count && !options.signal.aborted; at++) {
    let failure: string | undefined
    try {
      complete += (await faultCase(options.seed, at)).complete
    } catch (error) {
      failure = messageOf(error)
      failed++
    }
    options.done(at + 1, failure)
  }
  options.log(`${complete} backups were complete`)
  return { passed: at - options.resumeFrom - failed, failed }
}
