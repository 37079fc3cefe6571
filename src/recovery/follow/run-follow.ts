// `recover run --follow` from the command to the opened server: restores unless that was done before, follows, and after a cut-over replays, proves and opens.
import { messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { freePort, type PostgresBinaries } from '../../warehouse/servers.ts'
import { criticalErrors } from '../critical/errors.ts'
import { followErrors as errors } from './errors.ts'
import { prepareRecovery, refuseToRun, type PreparedRecovery } from '../plan/prepare.ts'
import { readMarker, writeMarker } from '../restore/marker.ts'
import {
  checkPlace,
  majorOf,
  restoreAll,
  restoredOf,
  startParts,
  type RecoveryReport,
  type RecoveryRequest,
  type Tools,
} from '../run-recovery.ts'
import { nextSteps } from '../next-steps.ts'
import { binariesFor, startAndProve } from '../server/start.ts'
import { follow, followedBefore, followSettings } from './follow.ts'
import { endRequest } from './request.ts'

export interface FollowRequest extends RecoveryRequest {
  /** Clients may read on loopback meanwhile. */
  readonly readable: boolean
}

interface Following {
  readonly request: FollowRequest
  readonly prepared: PreparedRecovery
  readonly binaries: PostgresBinaries
  readonly port: number
  readonly restored: RecoveryReport['restored']
  readonly begun: number
}

const nothing: RecoveryReport['restored'] = {
  files: 0,
  bytes: 0,
  holeBytes: 0,
  writtenBytes: 0,
  removed: 0,
  fetchMs: 0,
}

/** Resolves when a cut-over has been carried out: the server is open then, and proven. */
export async function runFollow(asked: FollowRequest, context: Context, tools: Tools): Promise<RecoveryReport> {
  const begun = context.clock.monotonic()
  tools.report({ phase: 'planning' })
  refuseOptions(asked)
  const known = await followedBefore(asked.toDirectory, asked.warehouse)
  // A standby is always started. What lies there already needs no room again.
  const base = { ...asked, latest: true, start: true }
  const request = known ? { ...base, backup: known.backup, resume: true } : base
  const prepared = await prepareRecovery(request, context, tools.signal, { read: true })
  await using _ = { [Symbol.asyncDispose]: () => prepared.close() }
  const binaries = await binariesFor({ major: majorOf(prepared), home: context.home, folder: request.binaries })
  const port = request.port ?? (await freePort())
  let restored = nothing
  if (!known) {
    refuseToRun(prepared)
    await checkPlace(prepared, request)
    const settings = followSettings(prepared.layout.root)
    const { result } = await restoreAll(prepared, request, { ...tools, context, port, follow: settings })
    restored = restoredOf({ result, fetchMs: context.clock.monotonic() - begun })
  }
  return await untilOpen({ request, prepared, binaries, port, restored, begun }, context, tools)
}

function refuseOptions({ at, lsn, name, xid, beforeLoad, inPlace, original, criticalFirst }: FollowRequest): void {
  if (criticalFirst) throw criticalErrors.criticalNoFollow(undefined)
  if ([at, lsn, name, xid, beforeLoad].some((one) => one !== undefined)) throw errors.followTarget(undefined)
  if (inPlace || original) throw errors.followElsewhere(undefined)
}

async function untilOpen(of: Following, context: Context, tools: Tools): Promise<RecoveryReport> {
  const { request, prepared, binaries, port, restored, begun } = of
  const { root } = prepared.layout
  await using again = new AsyncDisposableStack()
  const findAgain = async (): Promise<PreparedRecovery> => {
    const options = { ...request, backup: prepared.manifest.id, resume: true }
    const found = await prepareRecovery(options, context, tools.signal, { read: true })
    again.defer(() => found.close())
    return found
  }
  const end = await follow({ prepared, binaries, port, readable: request.readable, context, findAgain, ...tools })
  try {
    const parts = await startParts(end.prepared, request, { ...tools, context, binaries, port, delivery: end.delivery })
    const proof = await startAndProve({ ...parts, fromLsn: end.fromLsn, lastRecordEnd: end.lastRecordEnd })
    const { lsn, timeline } = proof.replayed
    const opened = { lsn, timeline, port: proof.server.port, socketDirectory: proof.server.socketDirectory }
    const marker = await readMarker(root)
    if (marker) await writeMarker(root, { ...marker, state: 'recovered', opened, holder: undefined })
    await endRequest(root)
    return {
      plan: end.prepared.plan,
      restored,
      proof,
      next: nextSteps(end.prepared, request, { proof, delivery: end.delivery }),
      durationMs: context.clock.monotonic() - begun,
    }
  } catch (error) {
    await endRequest(root, messageOf(error))
    throw error
  }
}
