// Acceptance 4: kill −9 of any process at random moments during backup, receiving and loading. One case is one kill of a process of one system, which
// goes on through all cases; every tenth and at the end it is recovered on the side and compared. ACCEPT_MAJOR chooses the warehouse's version.
import type { Major } from '../support/postgres.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { runKills } from '../crash/system/run-kills.ts'

export const defaultCount = 50

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  const major = Number(process.env['ACCEPT_MAJOR'] ?? 18) as Major
  const { run, failed } = await runKills({ ...options, major, from: options.resumeFrom, to: options.count })
  return { passed: Math.max(0, run - failed), failed }
}
