// `recover run --replay-loads`: kept loads are run again on the proven server, behind closed doors.
import { messageOf } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import { replayErrors as errors } from './replay/errors.ts'
import type { RecoveryRequest, Tools } from './run-recovery.ts'
import { replayLoads, type ReplayReport } from './run-replay.ts'
import type { PrivateServer } from './server/connect.ts'
import type { StartProof } from './server/start.ts'

export interface Replaying {
  readonly within: ((server: PrivateServer) => Promise<void>) | undefined
  /** Rejects where a load did not come back. */
  report(proof: StartProof | undefined): ReplayReport | undefined
}

/**
 * Kept loads run again on the proven server before anybody is let in: nobody reads tables that are half there, whatever its pg_hba.conf says of us. That a load
 * fails must not cost the recovery: it is told at the end.
 */
export function replayingOf(request: RecoveryRequest, context: Context, tools: Tools): Replaying {
  let report: ReplayReport | undefined
  let failure: unknown
  const plain = { planOnly: false, after: false, unknown: false, except: [], overwrite: false }
  const within = async ({ socketDirectory: host, port, user }: PrivateServer): Promise<void> => {
    try {
      report = await replayLoads({ ...request, ...plain, to: { host, port, user } }, context, tools)
    } catch (error) {
      tools.signal.throwIfAborted()
      failure = error
    }
  }
  return {
    within: request.replayLoads ? within : undefined,
    report: (proof) => {
      if (failure === undefined || !proof) return report
      const { port, user } = proof.server
      const { warehouse, toDirectory: directory } = request
      throw errors.loadsNotReplayed({ warehouse, directory, port, user, why: messageOf(failure) }, { cause: failure })
    },
  }
}
