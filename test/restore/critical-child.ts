// A recovery with the critical tier first in a process of its own, to be killed: `critical-child.ts <JSON of home and request>`. Says each phase on standard output.
import { runRecovery, type RecoveryRequest } from '../../src/recovery/run-recovery.ts'
import { testContext } from '../support/context.ts'

const { home, request } = JSON.parse(process.argv[2]!) as { home: string; request: RecoveryRequest }
await using scope = new AsyncDisposableStack()
const context = testContext({ home, rooms: [] }, scope)
const signal = new AbortController().signal
await runRecovery(request, context, { report: ({ phase }) => console.log(phase), signal })
