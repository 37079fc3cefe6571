// Issue 3, stores: the store's conformance suite against an S3 server that we did not write, which holds our own test server to the protocol as others
// speak it. It needs such a server: test/servers/radosgw.sh starts Ceph's gateway from Debian's packages on loopback and prints the three variables.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { root } from '../../tools/steps.ts'

export const defaultCount = 1

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  const { signal } = options
  const missing = ['S3_ENDPOINT', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'].filter((name) => !process.env[name])
  if (missing.length > 0) {
    const what = `${missing.join(', ')} not set: eval "$(test/servers/radosgw.sh)" starts a server and says them`
    options.done(1, what)
    return { passed: 0, failed: 1 }
  }
  const child = spawn(process.execPath, ['--test', '--test-reporter=tap', 'test/conformance/other-s3.ts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  })
  const counts = { passed: 0, failed: 0 }
  for await (const line of createInterface(child.stdout)) {
    if (/^\s+ok \d+ - /.test(line)) counts.passed++
    if (/^\s+not ok \d+ - /.test(line)) counts.failed++
    if (/^\s*(not )?ok \d+ - |^\s*# refused/.test(line)) options.log(line)
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  // A run that told nothing has shown nothing; one may fail outside of its suites.
  if (counts.passed === 0 || child.exitCode !== 0) counts.failed ||= 1
  options.done(1, counts.failed === 0 ? undefined : `${counts.failed} tests failed`)
  return counts
}
