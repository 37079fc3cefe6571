// One recovery as the command and the demo start it: prepared, restored, and with `start` replayed, proven and opened.
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'

import type { Progress } from '../base/operation.ts'
import { timedId } from '../base/random.ts'
import type { Context } from '../base/room.ts'
import { freePort, type PostgresBinaries } from '../warehouse/servers.ts'
import { openReaders, type CriticalReaders, type CriticalReport } from './critical/readers.ts'
import { refusePorts } from './critical/refuse.ts'
import { recoveryErrors as errors } from './errors.ts'
import { refuseFullMoves, refuseUsed } from './in-place/place.ts'
import { askedText, type RecoveryPlan } from './plan/plan.ts'
import { endOfWal, prepareRecovery, refuseToRun, type PreparedRecovery, type RecoveryOptions } from './plan/prepare.ts'
import { addRecord, type RecoveryRecord } from './rates/times.ts'
import { writeEndScript } from './restore/end-script.ts'
import { readMarker, writeMarker } from './restore/marker.ts'
import { restore, type RestoreResult } from './restore/restore.ts'
import { nextSteps } from './next-steps.ts'
import { replayingOf } from './replay-before-opening.ts'
import type { ReplayReport } from './run-replay.ts'
import { librariesForReplay, recoverySettings, type Settings } from './restore/settings.ts'
import { checkTargets } from './restore/target-folder.ts'
import { endOrphan } from './restore/unfinished.ts'
import { stepTimes } from './step-times.ts'
import { sweepSandboxes } from './sandbox/home.ts'
import { prepareDelivery, type Delivery } from './restore/wal-delivery.ts'
import { binariesFor, startAndProve, type Proof, type StartParts, type StartProof } from './server/start.ts'

export interface RecoveryRequest extends RecoveryOptions {
  readonly port?: number | undefined
  readonly set: Readonly<Record<string, string>>
  readonly binaries?: string | undefined
  readonly workers?: number | undefined
  /** With `start`: kept loads are run again before the server is opened. */
  readonly replayLoads?: boolean | undefined
  /** With `criticalFirst`: where readers find the critical relations; default: a free one. */
  readonly criticalPort?: number | undefined
}

export interface RecoveryReport {
  readonly plan: RecoveryPlan
  readonly restored: {
    readonly files: number
    readonly bytes: number
    readonly holeBytes: number
    /** What was not there already. */
    readonly writtenBytes: number
    /** Files and folders that the backup does not have. */
    readonly removed: number
    readonly fetchMs: number
  }
  readonly proof: StartProof | undefined
  /** With `criticalFirst`. */
  readonly critical?: CriticalReport
  /** With `replayLoads`. */
  readonly replay?: ReplayReport
  /** What to do now, for people. */
  readonly next: readonly string[]
  readonly durationMs: number
}

export interface Tools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
  /** Rejects unless what is there may be written over; left out: it may. */
  readonly confirm?: (plan: RecoveryPlan, question: string) => Promise<void>
  /** A line for who called, now. */
  readonly say?: ((line: string) => void) | undefined
}

/** More threads than this compete for one disk; more can be asked for by name. */
const MOST_WORKERS = 8

/** Resolves when the folder is durable, and with `start` only when the server stands proven at the target. */
export async function runRecovery(request: RecoveryRequest, context: Context, tools: Tools): Promise<RecoveryReport> {
  const begun = context.clock.monotonic()
  tools.report({ phase: 'planning' })
  if (request.inPlace || request.resume) await endOrphan(resolve(request.toDirectory), context.clock)
  // What a recovery that was killed has left there, a server for readers perhaps.
  await sweepSandboxes(join(context.home, 'sandboxes'), context)
  const prepared = await prepareRecovery(request, context, tools.signal, { read: true, report: tools.report })
  await using _ = { [Symbol.asyncDispose]: () => prepared.close() }
  const replaying = replayingOf(request, context, tools)
  const prove = (parts: StartParts): Promise<StartProof> => startAndProve(parts, replaying.within)
  const { done, critical } = await withReaders(prepared, request, { context, begun, prove, ...tools })
  const replay = replaying.report(done.proof)
  return {
    plan: prepared.plan,
    restored: restoredOf(done),
    proof: done.proof,
    ...(critical ? { critical } : {}),
    ...(replay ? { replay } : {}),
    next: nextSteps(prepared, request, done),
    durationMs: done.durationMs,
  }
}

/** With `criticalFirst` readers are let in to the critical relations meanwhile. */
async function withReaders(
  prepared: PreparedRecovery,
  request: RecoveryRequest,
  tools: CarryOutTools<StartProof>,
): Promise<{ done: CarriedOut<StartProof>; critical: CriticalReport | undefined }> {
  await using scope = new AsyncDisposableStack()
  let readers: CriticalReaders | undefined
  const first = async (listMs: number): Promise<void> => {
    readers = scope.use(await openReaders(prepared, request, { ...tools, say: tools.say, listMs }))
  }
  const done = await carryOut(prepared, request, {
    ...tools,
    ...(request.criticalFirst ? { first } : {}),
  })
  const critical = readers?.report
  if (critical?.readers) {
    const line = `everything is open: the server at port ${critical.readers.port} with the critical tables alone ends`
    tools.say?.(line)
    tools.report({ phase: 'ending the server for readers', note: line })
  }
  return { done, critical }
}

export interface CarryOutTools<P extends Proof> extends Tools {
  readonly context: Context
  /** When planning began, by the monotonic clock. */
  readonly begun: number
  /** With `start`: how the server is proven, and whether it then goes on running. */
  readonly prove: (parts: StartParts) => Promise<P>
  /** Right before the first file is written; the time that it takes is no part of the recovery's. */
  readonly first?: (listMs: number) => Promise<void>
}

export interface CarriedOut<P extends Proof> {
  readonly result: RestoreResult
  readonly delivery: Delivery
  readonly proof: P | undefined
  readonly fetchMs: number
  readonly durationMs: number
  readonly record: RecoveryRecord
}

export function restoredOf({
  result,
  fetchMs,
}: Pick<CarriedOut<Proof>, 'result' | 'fetchMs'>): RecoveryReport['restored'] {
  const { files, bytes, holeBytes, writtenBytes, removed } = result
  return { files, bytes, holeBytes, writtenBytes, removed, fetchMs }
}

/** Everything after the plan. The times are kept for the time model. */
export async function carryOut<P extends Proof>(
  prepared: PreparedRecovery,
  request: RecoveryRequest,
  tools: CarryOutTools<P>,
): Promise<CarriedOut<P>> {
  const { context, begun } = tools
  const listMs = context.clock.monotonic() - begun
  refuseToRun(prepared)
  await checkPlace(prepared, request)
  const fixedPort = request.port ?? originalPort(prepared)
  if (request.criticalFirst) refusePorts(request.criticalPort, fixedPort)
  // Found before anything is restored: hours of work must not end in "no programs".
  const binaries = request.start
    ? await binariesFor({ major: majorOf(prepared), home: context.home, folder: request.binaries })
    : undefined
  if (prepared.place) await tools.confirm?.(prepared.plan, questionOf(prepared))
  const before = context.clock.monotonic()
  await tools.first?.(listMs)
  const firstMs = context.clock.monotonic() - before
  const port = fixedPort ?? (await freePort())
  const restored = await restoreAll(prepared, request, { ...tools, port })
  const fetchMs = context.clock.monotonic() - begun - firstMs
  let proof: P | undefined
  if (binaries) {
    const parts = await startParts(prepared, request, { ...tools, binaries, port, ...restored })
    proof = await tools.prove({ ...parts, beforeOpening: () => markRecovered(prepared.layout.root) })
  }
  const durationMs = context.clock.monotonic() - begun
  const record: RecoveryRecord = {
    at: new Date(context.clock.now()).toISOString(),
    warehouse: request.warehouse,
    backup: prepared.manifest.id,
    target: askedText(prepared.resolved),
    verified: proof !== undefined,
    // What a drill looks at besides is no part of a recovery.
    durationMs: durationMs - firstMs - (proof?.times.inspectMs ?? 0),
    steps: stepTimes(prepared, { listMs, ...restored, proof }),
    way: request.way ?? (prepared.place ? 'in-place' : 'node'),
    repository: prepared.repository.name,
    machine: context.environment.hostname,
    predicted: prepared.plan.time,
  }
  await addRecord(context.home, record).catch((error: unknown) =>
    context.log.warn({ err: error }, 'the times of this recovery could not be kept'),
  )
  return { ...restored, proof, fetchMs, durationMs, record }
}

/** Whoever is let in from here on may write: nothing of it is an unfinished recovery's any more. */
async function markRecovered(root: string): Promise<void> {
  const { holder: _gone, ...marker } = (await readMarker(root))!
  await writeMarker(root, { ...marker, state: 'recovered' })
}

export async function checkPlace({ place, layout }: PreparedRecovery, request: RecoveryRequest): Promise<void> {
  if (!place) return void (await checkTargets(layout, { resume: request.resume === true }))
  await refuseUsed(place.cluster, layout)
  await refuseFullMoves(place.cluster, layout)
}

function questionOf({ plan, place }: PreparedRecovery): string {
  const lost = place?.ownWal?.lost.length ?? 0
  const warning = lost > 0 ? `, although ${lost} ${lost === 1 ? 'file' : 'files'} of its WAL could not be stored` : ''
  const copy = place?.cluster.isCopy === true ? ', a copy whose own WAL goes,' : ''
  return `write backup ${plan.backup.id} over ${plan.directory}${copy} and recover it to ${plan.target.asked}${warning}?`
}

export async function startParts(
  prepared: PreparedRecovery,
  request: RecoveryRequest,
  at: Tools & { context: Context; binaries: PostgresBinaries; port: number; delivery: Delivery },
): Promise<StartParts> {
  const { manifest, resolved, layout, owner, options } = prepared
  const { context, binaries, port, signal } = at
  return {
    dataDirectory: layout.root,
    binaries,
    owner,
    stop: resolved.stop,
    lastRecordEnd: await endOfWal(prepared, signal),
    fromLsn: manifest.replayFromLsn,
    port,
    verify: request.verify,
    left: manifest,
    workers: workersOf(request),
    leftovers: at.delivery.leftovers,
    listenAddresses: options.original ? (manifest.settings['listen_addresses'] ?? '127.0.0.1') : '127.0.0.1',
    clock: context.clock,
    environment: context.environment,
    signal,
    progress: at.report,
  }
}

export function majorOf({ manifest }: PreparedRecovery): number {
  return Math.floor(manifest.postgresVersion / 10_000)
}

/** A replacement takes the place of the original, its port too. */
function originalPort({ options, manifest }: PreparedRecovery): number | undefined {
  return options.original ? Number(manifest.settings['port']) || undefined : undefined
}

function workersOf(request: RecoveryRequest): number {
  return request.workers ?? Math.min(availableParallelism(), MOST_WORKERS)
}

/** `follow`: settings of a standby, instead of those that lead to the target. */
export async function restoreAll(
  prepared: PreparedRecovery,
  request: RecoveryRequest,
  tools: Tools & { context: Context; port: number; follow?: Settings },
): Promise<{ result: RestoreResult; delivery: Delivery; restoreMs: number; deliveryMs: number }> {
  const { manifest, resolved, layout, owner, repository, place } = prepared
  const { context, signal, follow } = tools
  const { original } = prepared.options
  const { clock } = context
  const started = clock.monotonic()
  let delivery: Delivery | undefined
  let deliveryMs = 0
  const result = await restore({
    repository,
    manifest,
    layout,
    owner,
    resume: request.resume === true,
    inPlace: place && {
      keepsUserFiles: original,
      unsaved: place.ownWal?.lost.map((one) => one.file).filter((name) => name !== 'pg_wal') ?? [],
      stillFree: () => refuseUsed(place.cluster, layout),
    },
    workers: workersOf(request),
    next: request.start && !follow ? 'replaying' : 'restored',
    marker: {
      recovery: timedId(context.clock.now(), context.random),
      warehouse: request.warehouse,
      repository: repository.name,
      target: askedText(resolved),
      startedAt: new Date(context.clock.now()).toISOString(),
      mode: original ? 'original' : 'copy',
    },
    configure: async (control) => {
      const configuring = clock.monotonic()
      const chosen = request.set
      const preload = librariesForReplay(manifest.settings['shared_preload_libraries'] ?? '')
      const copy = original ? undefined : { control, manifest, port: tools.port, preload, chosen }
      if (follow) {
        delivery = { restoreCommand: '', leftovers: [] }
        return { recovery: follow, copy, chosen, signalFile: 'standby.signal' }
      }
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
      deliveryMs = clock.monotonic() - configuring
      const recovery = recoverySettings({
        restoreCommand: delivery.restoreCommand,
        stop: resolved.stop,
        timeline: resolved.timeline,
        ...(request.start ? {} : { endCommand: await writeEndScript(layout.root, delivery.leftovers, owner) }),
      })
      return { recovery, copy, chosen }
    },
    clock,
    signal,
    progress: tools.report,
  })
  if (!delivery) throw errors.writeFailed({ path: join(layout.root, 'postgresql.auto.conf'), why: 'it was not made' })
  return { result, delivery, restoreMs: clock.monotonic() - started, deliveryMs }
}
