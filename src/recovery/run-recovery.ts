// One recovery as the command and the demo start it: prepared, restored, and with `start` replayed, proven and opened.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

import { shellQuoted } from '../base/shell.ts'
import type { Progress } from '../base/operation.ts'
import { timedId } from '../base/random.ts'
import type { Context } from '../base/room.ts'
import { freePort } from '../warehouse/servers.ts'
import { recoveryErrors as errors } from './errors.ts'
import { askedText, type RecoveryPlan } from './plan/plan.ts'
import { endOfWal, prepareRecovery, refuseToRun, type PreparedRecovery, type RecoveryOptions } from './plan/prepare.ts'
import { addRecord, type StepName, type StepTime } from './rates/times.ts'
import { readMarker, writeMarker } from './restore/marker.ts'
import { restore, type RestoreResult } from './restore/restore.ts'
import { librariesForReplay, recoverySettings } from './restore/settings.ts'
import { checkTargets } from './restore/target-folder.ts'
import { prepareDelivery, type Delivery } from './restore/wal-delivery.ts'
import { binariesFor, startAndProve, type StartProof } from './server/start.ts'

export interface RecoveryRequest extends RecoveryOptions {
  readonly port?: number | undefined
  readonly set: Readonly<Record<string, string>>
  readonly binaries?: string | undefined
  readonly workers?: number | undefined
  readonly resume: boolean
}

export interface RecoveryReport {
  readonly plan: RecoveryPlan
  readonly restored: {
    readonly files: number
    readonly bytes: number
    readonly holeBytes: number
    readonly fetchMs: number
  }
  readonly proof: StartProof | undefined
  /** What to do now, for people. */
  readonly next: readonly string[]
  readonly durationMs: number
}

interface Tools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

/** More threads than this compete for one disk; more can be asked for by name. */
const MOST_WORKERS = 8

/** Resolves when the folder is durable, and with `start` only when the server stands proven at the target. */
export async function runRecovery(request: RecoveryRequest, context: Context, tools: Tools): Promise<RecoveryReport> {
  const started = context.clock.monotonic()
  tools.report({ phase: 'planning' })
  const prepared = await prepareRecovery(request, context, tools.signal, { read: true })
  await using _ = { [Symbol.asyncDispose]: () => prepared.close() }
  refuseToRun(prepared)
  await checkTargets(prepared.layout, request)
  const major = Math.floor(prepared.manifest.postgresVersion / 10_000)
  // Found before anything is restored: hours of work must not end in "no programs".
  const binaries = request.start
    ? await binariesFor({ major, home: context.home, folder: request.binaries })
    : undefined
  const port = request.port ?? originalPort(prepared) ?? (await freePort())
  const { result, delivery } = await restoreAll(prepared, request, { context, port, ...tools })
  const fetchMs = context.clock.monotonic() - started
  let proof: StartProof | undefined
  if (binaries) {
    proof = await startAndProve({
      dataDirectory: prepared.layout.root,
      binaries,
      owner: prepared.owner,
      stop: prepared.resolved.stop,
      lastRecordEnd: await endOfWal(prepared, tools.signal),
      fromLsn: prepared.manifest.replayFromLsn,
      port,
      verify: request.verify,
      left: prepared.manifest,
      workers: workersOf(request),
      leftovers: delivery.leftovers,
      listenAddresses: request.original ? (prepared.manifest.settings['listen_addresses'] ?? '127.0.0.1') : '127.0.0.1',
      clock: context.clock,
      environment: context.environment,
      signal: tools.signal,
      progress: tools.report,
    })
    const marker = await readMarker(prepared.layout.root)
    if (marker) await writeMarker(prepared.layout.root, { ...marker, state: 'recovered' })
  }
  const durationMs = context.clock.monotonic() - started
  const times = stepTimes(prepared, { fetchMs, proof })
  await addRecord(context.home, {
    at: new Date(context.clock.now()).toISOString(),
    warehouse: request.warehouse,
    backup: prepared.manifest.id,
    target: askedText(prepared.resolved),
    verified: proof !== undefined,
    durationMs,
    steps: times,
  }).catch((error: unknown) => context.log.warn({ err: error }, 'the times of this recovery could not be kept'))
  const { files, bytes, holeBytes } = result
  return {
    plan: prepared.plan,
    restored: { files, bytes, holeBytes, fetchMs },
    proof,
    next: nextSteps(prepared, request, { proof, major, leftovers: delivery.leftovers }),
    durationMs,
  }
}

/** A replacement takes the place of the original, its port too. */
function originalPort({ options, manifest }: PreparedRecovery): number | undefined {
  return options.original ? Number(manifest.settings['port']) || undefined : undefined
}

function workersOf(request: RecoveryRequest): number {
  return request.workers ?? Math.min(availableParallelism(), MOST_WORKERS)
}

async function restoreAll(
  prepared: PreparedRecovery,
  request: RecoveryRequest,
  tools: Tools & { context: Context; port: number },
): Promise<{ result: RestoreResult; delivery: Delivery }> {
  const { manifest, resolved, layout, owner, repository } = prepared
  const { context, signal } = tools
  let delivery: Delivery | undefined
  const result = await restore({
    repository,
    manifest,
    layout,
    owner,
    resume: request.resume,
    workers: workersOf(request),
    marker: {
      recovery: timedId(context.clock.now(), context.random),
      warehouse: request.warehouse,
      repository: repository.name,
      target: askedText(resolved),
      startedAt: new Date(context.clock.now()).toISOString(),
    },
    configure: async (control) => {
      delivery = await prepareDelivery(prepared.delivery, {
        repository,
        manifest,
        resolved,
        root: layout.root,
        owner,
        rewrite: prepared.rewrite,
        signal,
        progress: tools.report,
      })
      const recovery = recoverySettings({
        restoreCommand: delivery.restoreCommand,
        stop: resolved.stop,
        timeline: resolved.timeline,
      })
      const preload = librariesForReplay(manifest.settings['shared_preload_libraries'] ?? '')
      const copy = request.original ? undefined : { control, manifest, port: tools.port, preload, chosen: request.set }
      return { recovery, copy, chosen: request.set }
    },
    clock: context.clock,
    signal,
    progress: tools.report,
  })
  if (!delivery) throw errors.writeFailed({ path: join(layout.root, 'postgresql.auto.conf'), why: 'it was not made' })
  return { result, delivery }
}

/** Measured times beside what the plan predicted for the same steps. */
function stepTimes(
  prepared: PreparedRecovery,
  measured: { fetchMs: number; proof: StartProof | undefined },
): readonly StepTime[] {
  const { proof } = measured
  const times: Partial<Record<StepName, number>> = {
    fetch: measured.fetchMs,
    ...(proof ? { replay: proof.times.replayMs, verify: proof.times.verifyMs, start: proof.times.startMs } : {}),
  }
  return prepared.plan.steps.flatMap(({ step, bytes, expectedMs, lowMs, highMs }) => {
    const ms = times[step]
    return ms === undefined ? [] : [{ step, bytes, ms, predicted: { expectedMs, lowMs, highMs } }]
  })
}

function scratchLines({ scratch }: StartProof): readonly string[] {
  if (scratch === undefined) return []
  return [
    ...(scratch.relations.length > 0 ? [`scratch relations are empty: ${scratch.relations.join(', ')}`] : []),
    ...scratch.doubtful.map(
      (one) =>
        `${one} is in a database that was copied after the backup: nobody can tell whether it holds rubbish; look at it`,
    ),
  ]
}

function nextSteps(
  prepared: PreparedRecovery,
  request: RecoveryRequest,
  found: { proof: StartProof | undefined; major: number; leftovers: readonly string[] },
): readonly string[] {
  const { root } = prepared.layout
  const { leftovers } = found
  if (found.proof) {
    const { server } = found.proof
    return [
      ...scratchLines(found.proof),
      `the server runs: psql -h ${server.socketDirectory} -p ${server.port} (or -h 127.0.0.1), superuser ${server.user}`,
    ]
  }
  const bin = request.binaries ?? `/usr/lib/postgresql/${found.major}/bin`
  const as = prepared.owner ? `sudo -u ${prepared.owner.name} ` : ''
  return [
    `nothing is proven yet: start the server with  ${as}${bin}/pg_ctl -D ${root} -l ${root}/startup.log -t 86400 start`,
    `keep its WAL until then: expiry of the repository is held off while this command runs, not while the server replays`,
    `it replays to the target and then opens; its log says "recovery stopping" and "archive recovery complete". The same in one step, verified: add --start`,
    `once it is open, remove what only replay needs, keys of the repository's data among it: rm -r ${leftovers.map(shellQuoted).join(' ')}`,
  ]
}
