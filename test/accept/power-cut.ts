// Acceptance 4: power cuts by a store that forgets everything that is not behind a barrier, at random calls during init, backup, receiving and leases. One
// case is one cut; the repository goes on through all cases, and at the end backups that were reported complete are restored and compared.
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { runCuts } from '../crash/power/cuts.ts'

export const defaultCount = 20

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  const { run, failed } = await runCuts({ ...options, from: options.resumeFrom, to: options.count })
  return { passed: Math.max(0, run - failed), failed }
}
