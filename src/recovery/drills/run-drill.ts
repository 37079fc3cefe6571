// One drill: a recovery into a sandbox, looked at from all sides, and evidence of it kept whatever came out.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import { timedId } from '../../base/random.ts'
import type { Context } from '../../base/room.ts'
import { drillErrors as errors } from './errors.ts'
import { prepareRecovery, type PreparedRecovery } from '../plan/prepare.ts'
import type { RepositoryChoice } from '../restore/open-repository.ts'
import { carryOut, type CarriedOut, type RecoveryRequest } from '../run-recovery.ts'
import { proveAndStop, type Proof, type StartParts } from '../server/start.ts'
import type { TargetOptions } from '../target/request.ts'
import { announceBegin, announceDrill } from './announce.ts'
import { keepEvidence, readArchive } from './archive.ts'
import { defaultDrillPolicy, drillsSection, type DrillPolicy } from './config.ts'
import { findingsOf, findingText } from './damage.ts'
import { drillCritical } from './drill-critical.ts'
import { missing, predictedOf, proofOf, targetOf } from './evidence-parts.ts'
import { emptyProof, type Coverage, type DrillOutcome, type Evidence, type Finding } from './evidence.ts'
import { inspect, type Inspected } from './inspect.ts'
import { keepInterrupted } from './interrupted.ts'
import type { KnownEvidence } from './marks.ts'
import { drawTarget } from './random-target.ts'
import { sandboxFolder, type SandboxFolder } from './sandbox-folder.ts'

export interface DrillRequest extends TargetOptions, RepositoryChoice {
  readonly timeline?: number | undefined
  /** Recover to a moment that is drawn by lot, instead of a named one. */
  readonly random?: boolean | undefined
  readonly folder?: string | undefined
  /** Default: everything. */
  readonly tier?: Evidence['tier'] | undefined
  readonly verify?: DrillPolicy['verify'] | undefined
  readonly counts?: DrillPolicy['counts'] | undefined
  readonly binaries?: string | undefined
  readonly owner?: string | undefined
  readonly workers?: number | undefined
  readonly set?: Readonly<Record<string, string>> | undefined
  readonly keep: boolean
  readonly trigger: Evidence['trigger']
  readonly actor: string
}

export interface DrillReport {
  readonly evidence: Evidence
  /** SHA-256 of the evidence as it is kept. */
  readonly digest: string
  /** Where the sandbox stays; undefined: it was removed. */
  readonly folder: string | undefined
}

interface Tools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

/** Rejects with `recovery.drill-failed` when something was found. Evidence is kept of every drill that began, also of one that was cancelled, and by the next drill of one that was killed. */
export async function runDrill(request: DrillRequest, context: Context, tools: Tools): Promise<DrillReport> {
  const drill = new Drill(request, context, tools)
  const report = await drill.run()
  const { evidence } = report
  if (evidence.outcome !== 'failed') return report
  throw errors.drillFailed(
    {
      drill: evidence.id,
      warehouse: evidence.warehouse,
      findings: evidence.findings.slice(0, 5).map(findingText),
      more: Math.max(0, evidence.findings.length - 5),
    },
    { cause: drill.failure },
  )
}

class Drill {
  failure: unknown
  private readonly request: DrillRequest
  private readonly context: Context
  private readonly tools: Tools
  private readonly policy: DrillPolicy
  private readonly startedMs: number
  private readonly begun: number
  private prepared: PreparedRecovery | undefined
  private inspected: Inspected | undefined
  private done: Pick<CarriedOut<Proof>, 'proof' | 'record'> | undefined
  private coverage: Coverage | undefined
  private findings: readonly Finding[] = []
  private readonly id: string
  private folder: SandboxFolder | undefined

  constructor(request: DrillRequest, context: Context, tools: Tools) {
    this.request = request
    this.context = context
    this.tools = tools
    this.policy = context.section(drillsSection)[request.warehouse] ?? defaultDrillPolicy
    this.startedMs = context.clock.now()
    this.begun = context.clock.monotonic()
    this.id = timedId(this.startedMs, context.random)
  }

  async run(): Promise<DrillReport> {
    const { context, request } = this
    const folder = await sandboxFolder({
      home: context.home,
      host: context.environment.hostname,
      parent: request.folder ?? this.policy.folder,
      drill: this.id,
      keep: request.keep,
      known: this.evidence(),
      clock: context.clock,
      died: (known) => this.noteDead(known),
    })
    this.folder = folder
    let isGone = true
    try {
      await this.recover(folder.path)
    } catch (error) {
      await this.noteFailure(error)
    } finally {
      await this.note()
      isGone = await this.leave(folder)
      await this.prepared?.close()
    }
    // Whoever asked for something that is not there gets told so: that is no drill. What a schedule cannot find is a failure.
    if (!this.prepared && request.trigger === 'command' && !isDamage(this.failure)) {
      await folder.forget()
      throw this.failure
    }
    const kept = await keepEvidence(context.home, this.evidence())
    // What could not be removed the next drill tries again.
    if (isGone) await folder.forget()
    await announceDrill(context, kept)
    if (this.outcome() === 'cancelled') throw this.failure
    return { ...kept, folder: request.keep ? folder.path : undefined }
  }

  private async noteDead(known: KnownEvidence): Promise<boolean> {
    const hadEnded = await keepInterrupted(this.context, known)
    if (!hadEnded)
      this.tools.report({
        phase: 'clearing up',
        note: `drill ${known.id} of ${known.warehouse} was begun at ${known.startedAt} and never ended: evidence of that is kept`,
      })
    return hadEnded
  }

  /** What is known by now, so that whoever kills it hides nothing of that. */
  private async note(): Promise<void> {
    await this.folder?.note(this.evidence()).catch((error: unknown) => {
      this.context.log.warn(
        { drill: this.id, reason: messageOf(error) },
        'a drill could not write down how far it came',
      )
    })
  }

  private async recover(path: string): Promise<void> {
    const { context, tools } = this
    const request = this.recoveryRequest(path)
    tools.report({ phase: 'planning' })
    const target = this.request.random ? await drawTarget(request, context, tools.signal) : {}
    this.prepared = await prepareRecovery({ ...request, ...target }, context, tools.signal, { read: true })
    await this.note()
    await announceBegin(context, { ...this.request, id: this.id })
    const before = await this.drillBefore()
    if (this.tier === 'critical') return await this.recoverTier(this.prepared, { request, before })
    this.done = await carryOut(this.prepared, request, {
      ...tools,
      context,
      begun: this.begun,
      prove: (parts) => this.prove(parts, before),
    })
    this.findings = this.inspected?.findings ?? []
  }

  private get tier(): Evidence['tier'] {
    return this.request.tier ?? 'all'
  }

  private async recoverTier(
    prepared: PreparedRecovery,
    of: { request: RecoveryRequest; before: Evidence | undefined },
  ): Promise<void> {
    const { counts = this.policy.counts, keep } = this.request
    const done = await drillCritical({
      prepared,
      request: { ...of.request, keep },
      inspect: { counts, checks: this.policy.checks, before: of.before },
      context: this.context,
      begun: this.begun,
      ...this.tools,
    })
    this.done = done
    this.coverage = done.coverage
    this.inspected = done.inspected
    this.findings = done.inspected.findings
  }

  private async prove(parts: StartParts, before: Evidence | undefined): Promise<Proof> {
    const { resolved } = this.prepared!
    const { verify = this.policy.verify, counts = this.policy.counts } = this.request
    return await proveAndStop(parts, async (server, { databases }) => {
      this.inspected = await inspect(server, {
        resolved,
        databases,
        counts,
        visibility: verify === 'full',
        checks: this.policy.checks,
        before,
        ...this.tools,
      })
      this.findings = this.inspected.findings
      await this.note()
    })
  }

  private recoveryRequest(path: string): RecoveryRequest {
    const { request, policy } = this
    return {
      ...request,
      ...(request.random ? { latest: true } : {}),
      repository: request.repository ?? policy.repository,
      toDirectory: path,
      way: 'drill',
      criticalFirst: this.tier === 'critical',
      tablespace: {},
      owner: request.owner ?? policy.owner,
      original: false,
      allowCorrupt: false,
      start: true,
      verify: request.verify ?? policy.verify,
      set: { ...policy.settings, ...request.set },
      binaries: request.binaries ?? policy.binaries,
      workers: request.workers,
      resume: false,
    }
  }

  /** The newest that passed at a place on our own way: what has changed since can be told. */
  private async drillBefore(): Promise<Evidence | undefined> {
    const { resolved } = this.prepared!
    const { drills } = await readArchive(this.context.home)
    return drills
      .filter((one) => one.problems.length === 0)
      .flatMap((one) => one.evidence ?? [])
      .findLast(
        (one) =>
          one.warehouse === this.request.warehouse &&
          one.outcome === 'passed' &&
          one.target?.timeline === resolved.timeline &&
          resolved.request.kind === 'latest',
      )
  }

  private async noteFailure(error: unknown): Promise<void> {
    const { prepared } = this
    this.failure = error
    if (this.outcome() === 'cancelled') return
    const parts = prepared && { ...prepared, signal: this.tools.signal }
    this.findings = [...(await findingsOf(error, parts)), ...(this.inspected?.findings ?? [])]
  }

  /** Whether nothing is left to be done there. */
  private async leave(folder: SandboxFolder): Promise<boolean> {
    try {
      if (!this.request.keep) await folder.remove()
      return true
    } catch (error) {
      this.context.log.warn({ folder: folder.path, reason: messageOf(error) }, 'the sandbox of a drill was not removed')
      return false
    }
  }

  private outcome(): DrillOutcome {
    if (this.failure !== undefined && this.tools.signal.aborted) return 'cancelled'
    return this.failure !== undefined || this.findings.length > 0 ? 'failed' : 'passed'
  }

  /** What was not asked for was not looked at: that is said too. */
  private unchecked(): readonly string[] {
    if (!this.done) return []
    const { verify = this.policy.verify } = this.request
    if (verify === 'full') return []
    const what = verify === 'connect' ? 'pages, indexes, tables' : 'indexes, tables'
    return [`${what} and visibility maps were not checked: verify was ${verify}`]
  }

  private evidence(): KnownEvidence {
    const { id, request, context, prepared, done, inspected } = this
    const { clock, environment } = context
    return {
      version: 1,
      id,
      warehouse: request.warehouse,
      tier: this.tier,
      trigger: request.trigger,
      actor: request.actor,
      host: environment.hostname,
      startedAt: new Date(this.startedMs).toISOString(),
      finishedAt: new Date(clock.now()).toISOString(),
      outcome: this.outcome(),
      repository: prepared?.repository.name ?? null,
      backup: prepared?.manifest.id ?? null,
      postgresVersion: prepared?.manifest.postgresVersion ?? null,
      target: prepared ? targetOf(prepared) : null,
      recoveryMs: done?.record.durationMs ?? null,
      predicted: prepared ? predictedOf(prepared) : null,
      steps: done?.record.steps ?? [],
      durationMs: clock.monotonic() - this.begun,
      proof: { ...emptyProof, ...proofOf(done?.proof), ...inspected?.proof },
      ...(this.coverage ? { coverage: this.coverage } : {}),
      findings: this.findings,
      notes: [...(inspected?.notes ?? []), ...missing(done?.proof, inspected), ...this.unchecked()],
    }
  }
}

function isDamage(error: unknown): boolean {
  return isWharfError(error) && (error.exit === 'damaged' || error.exit === 'unreachable')
}
