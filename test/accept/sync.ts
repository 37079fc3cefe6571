// Synchronous mode: server and receiver are killed at random under load; every commit that a client was told of must come out of the repository. One case
// is one kill; the warehouse goes on through all of them. ACCEPT_MAJOR chooses its version.
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { runSyncKills } from '../crash/sync-kill.ts'
import type { Major } from '../support/postgres.ts'

export const defaultCount = 30

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  const major = Number(process.env['ACCEPT_MAJOR'] ?? 18) as Major
  const { run, failed, commits } = await runSyncKills({
    ...options,
    major,
    from: options.resumeFrom,
    to: options.count,
  })
  options.log(`${commits} commits were acknowledged`)
  return { passed: Math.max(0, run - failed), failed }
}
