// Takes one backup, by design.md section 7: begin, change map, listing, copying, end, WAL, manifest. Whatever fails on the way leaves nothing visible.
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type {
  BackupKind,
  BackupStatistics,
  BackupWriter,
  Manifest,
  ManifestDraft,
  PackRef,
  Repository,
} from '../../repository/contract.ts'
import { changeMapBytes } from '../../repository/change-map-size.ts'
import type { ControlData } from '../../wal/contract.ts'
import { parseBackupLabel } from '../../wal/labels.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { ServerFacts, Session, Warehouse } from '../../warehouse/contract.ts'
import type { FileSource } from '../../warehouse/rights.ts'
import { CopyPool } from '../copy/pool.ts'
import { backupErrors } from '../errors.ts'
import { chooseChunks } from '../plan/changes.ts'
import { planFiles, type Base, type FilePlan } from '../plan/files.ts'
import { ownSpans, type OwnFacts } from '../plan/parent.ts'
import type { AuditPolicy } from '../plan/static.ts'
import type { TierRule } from '../plan/tiers.ts'
import { nameTablespaces, readOutsideFiles, readSettings } from '../server/catalog.ts'
import { readControlFile } from '../server/control-data.ts'
import { holdBackup, type HeldBackup } from '../server/held-backup.ts'
import type { ClusterFiles } from '../source/cluster-files.ts'
import { CONTROL_FILE } from '../source/exclusions.ts'
import type { SnapshotSource } from '../snapshot/snapshot.ts'
import { chooseInterrupted, type Reuse } from '../resume/kept.ts'
import { Noting, NOTE_EVERY_MS } from '../resume/noting.ts'
import { resume } from '../resume/resume.ts'
import { Throttle, type ThrottlePolicy } from '../throttle/throttle.ts'
import type { Assembly } from './assembly.ts'
import { beginStandby, keepUnloggedLoadsOut, takeSnapshot, type Early, type StandbySource } from './enter.ts'
import { receiveAndBegin } from './begin-writing.ts'
import {
  askServer,
  changesSince,
  checkCluster,
  checkServer,
  findBase,
  lastTimeline,
  ownFacts,
  sourceServer,
} from './begin.ts'
import { copyFiles, copySegments, storeControlFile, type CopyingTools } from './copying.ts'
import { manifestFiles, packsOf, staticBytes } from './manifest.ts'
import { judgeFindings, type BackupAlert, type Outcome } from './outcome.ts'
import type { Report } from './progress.ts'
import { examineStored, type StoredFindings } from './stored.ts'
import { readTiers, takenBack, type ReadTiers } from './tiering.ts'

/** WAL on its way into the repository for as long as the backup lasts. */
export interface Receiving {
  /** Resolves once all WAL of the timeline before `lsn` is durable in the repository, sealing early what is wanted. */
  waitUntilDurable(at: { timeline: number; lsn: Lsn }, signal: AbortSignal): Promise<void>
}

export interface TakeOptions {
  readonly warehouse: Warehouse
  /** The standby whose files are read instead of those of `warehouse`, its primary. WAL still comes from the primary. */
  readonly standby?: StandbySource | undefined
  /** Files are read from a snapshot that is taken between start and stop. */
  readonly snapshot?: SnapshotSource | undefined
  readonly repository: Repository
  /** Called before the server is told of the backup, so that no WAL since its start is missed. */
  readonly receive: (scope: AsyncDisposableStack) => Promise<Receiving>
  /** Where the files are read; what it opens ends with the scope. */
  readonly files: (dataDirectory: string, scope: AsyncDisposableStack) => ClusterFiles | Promise<ClusterFiles>
  /** What `files` reads: decides about the rights that are needed. Default: disk. */
  readonly source?: FileSource
  /** Default: nothing is held back. */
  readonly throttle?: ThrottlePolicy | undefined
  readonly kind: BackupKind
  /** Shares nothing with any other backup, and proves nothing static: for full backups. */
  readonly independent?: boolean
  /** Default: every relation is of tier standard. */
  readonly tiers?: readonly TierRule[]
  /** Undefined: nothing is audited. */
  readonly audit?: AuditPolicy | undefined
  readonly workers: number
  /** Whether the server takes its first checkpoint at once. */
  readonly fastCheckpoint: boolean
  /** How long to wait for loads that are not logged; default: without end. */
  readonly unloggedWaitMs?: number | undefined
  readonly madeBy: string
  /** Go on although all backups of the warehouse are of another cluster: it was upgraded or made anew on purpose. */
  readonly adopt?: boolean
  /** How often it is noted what has been stored, for a backup that must go on after the death of this one. Default 10 s. */
  readonly noteEveryMs?: number
  readonly clock: Clock
  readonly log: Log
  readonly report: Report
  readonly signal: AbortSignal
}

export interface TakenBackup {
  readonly manifest: ManifestDraft
  /** What an operator should know although the backup is good: why whole reads, files left out, parts of the map missing. */
  readonly notes: readonly string[]
  readonly alerts: readonly BackupAlert[]
}

/** Resolves when the backup is complete: everything durable, the manifest read back. */
export async function takeBackup(options: TakeOptions): Promise<TakenBackup> {
  const { warehouse, repository, report } = options
  report({ phase: 'starting' })
  const startedMs = options.clock.now()
  const facts = await askServer(options)
  checkServer(facts, warehouse.declaration.name, options.standby !== undefined)
  await using scope = new AsyncDisposableStack()
  const throttle = await Throttle.begin(options.throttle, { ...options, warehouse: sourceServer(options) }, scope)
  const files = await options.files(facts.dataDirectory, scope)
  const { receiving, writer } = await receiveAndBegin(repository, options, scope)
  let complete = false
  scope.defer(() => (complete ? undefined : writer.abandon()))
  const { clock, log, noteEveryMs: everyMs = NOTE_EVERY_MS } = options
  const noting = scope.use(new Noting({ writer, clock, log, everyMs, signal: options.signal }))
  // The threads load their code while the server takes its checkpoint; an increment may need no more than one.
  const pool = scope.use(
    new CopyPool({
      workers: options.kind === 'full' ? options.workers : 1,
      clock: options.clock,
      seed: writer.seed,
      source: files.descriptor,
      throttle: throttle.forThreads,
      checksums: facts.dataChecksums,
      onPacked: (pack) => noting.add(pack),
    }),
  )
  const interlock = options.standby && (await beginStandby(facts, options.standby, options, scope))
  const held = scope.use(
    await holdBackup({
      warehouse: sourceServer(options),
      label: `wharf ${writer.id}`,
      fast: options.fastCheckpoint,
      clock: options.clock,
      signal: options.signal,
      ...(options.standby ? {} : { enter: (session: Session) => keepUnloggedLoadsOut(session, options) }),
    }),
  )
  const lost = AbortSignal.any(interlock ? [held.lost, interlock.lost] : [held.lost])
  const signal = AbortSignal.any([options.signal, lost])
  throttle.watch(() => pool.bytesRead)
  try {
    const early = options.snapshot && (await takeSnapshot(options.snapshot, held, { ...options, signal }))
    const parts = { startedMs, facts, files, writer, pool, noting, held, receiving, throttle, early }
    const taken = await new Taking({ ...options, signal }, parts).run()
    complete = true
    return taken
  } catch (error) {
    // The lost session is the cause; what failed because of it is not.
    throw lost.aborted ? lost.reason : error
  }
}

interface Parts {
  readonly startedMs: number
  readonly facts: ServerFacts
  readonly files: ClusterFiles
  readonly writer: BackupWriter
  readonly pool: CopyPool
  readonly noting: Noting
  readonly held: HeldBackup
  readonly receiving: Receiving
  readonly throttle: Throttle
  readonly early: Early | undefined
}

interface Stopped {
  readonly stopLsn: Lsn
  readonly backupLabel: string
  readonly tablespaceMap: string
  readonly control: ControlData
  readonly packs: readonly PackRef[]
}

type Catalog = Pick<ManifestDraft, 'relations' | 'tablespaces' | 'settings' | 'outsideFiles'>

/** What the copying has brought. */
interface Copied {
  /** Where tiers leave something out: after the second look. */
  readonly plan: FilePlan
  /** Read before the end of the backup: what is dropped later is still in it. Undefined where nothing is left out. */
  readonly tiers: ReadTiers | undefined
  readonly assembly: Assembly
  readonly stopped: Stopped
  readonly findings: StoredFindings | undefined
}

/** All that a manifest is made of. */
interface Committing extends Copied {
  readonly own: OwnFacts
  readonly kind: BackupKind
  readonly base: Base | undefined
  readonly catalog: Catalog
  readonly outcome: Outcome
}

class Taking {
  private readonly options: TakeOptions
  private readonly parts: Parts
  private readonly files: ClusterFiles
  private readonly startedMs: number
  private readonly notes: string[] = []
  private bytesRead = 0
  private bytesAudited = 0

  constructor(options: TakeOptions, parts: Parts) {
    this.options = options
    this.parts = parts
    this.files = parts.files
    this.startedMs = parts.startedMs
  }

  async run(): Promise<TakenBackup> {
    const { options, parts } = this
    const own = await ownFacts(parts.held, parts.facts, this.files, options)
    this.notes.push(...(await checkCluster(own, options)))
    const found = await findBase(options.kind, own, {
      ...options,
      facts: parts.facts,
      waitForWal: () => this.waitForWal(own, own.startLsn),
    })
    const { kind, base } = found
    this.notes.push(...found.notes)
    options.report({ phase: 'listing' })
    const tablespaces = await this.files.tablespaces(options.signal)
    const versionFolder = `PG_${parts.facts.majorVersion}_${own.control.catalogVersion}`
    const listed = this.files.list({ signal: options.signal, versionFolder, majorVersion: parts.facts.majorVersion })
    const tiers = await this.firstTiers(own)
    const planned = await planFiles(listed, tablespaces, base, tiers?.leftOut)
    for (const { path, what } of planned.odd) this.notes.push(`${path} is left out: ${what}`)
    const copied = await this.copy(planned, own, base)
    const { plan } = copied
    const [catalog] = await Promise.all([
      this.readCatalog(tablespaces, copied.tiers),
      this.waitForWal(own, copied.stopped.stopLsn).then(() => this.checkWal(own, copied.stopped.stopLsn)),
    ])
    const outcome = await judgeFindings({
      backupId: parts.writer.id,
      plan,
      findings: copied.findings,
      missed: found.missed,
      distrusted: found.distrusted,
      since: {
        systemIdentifier: own.control.systemIdentifier,
        spans: ownSpans(own),
        fromLsn: own.startLsn,
        untilLsn: copied.stopped.stopLsn,
      },
      wal: options.repository.wal,
      signal: options.signal,
    })
    this.notes.push(...outcome.notes)
    options.report({ phase: 'storing' })
    const manifest = await this.commit({ own, kind, base, catalog, outcome, ...copied })
    return { manifest, notes: this.notes, alerts: outcome.alerts }
  }

  /** Rules that leave something out need the catalog before the listing. */
  private async firstTiers(own: OwnFacts): Promise<ReadTiers | undefined> {
    const { tiers = [], signal } = this.options
    if (!tiers.some((one) => one.tier === 'scratch')) return undefined
    if (own.control.fullPageWrites && this.parts.early) return this.parts.early.tiers
    if (own.control.fullPageWrites) return await readTiers(sourceServer(this.options), tiers, signal)
    this.notes.push(
      'scratch relations are stored all the same: with full_page_writes = off WAL cannot be replayed without them',
    )
    return undefined
  }

  private async copy(planned: FilePlan, own: OwnFacts, base: Base | undefined): Promise<Copied> {
    const { options, parts } = this
    const { pool } = parts
    const tools: CopyingTools = { ...options, pool, writer: parts.writer, heldBack: () => parts.throttle.note }
    const reuse = await this.resume({ planned, own, base }, tools)
    const assembly = await copyFiles(planned, tools, reuse)
    const findings =
      base &&
      (await examineStored({
        plan: planned,
        parent: base.parent,
        assembly,
        tools,
        mapEndLsn: own.startLsn,
        startedMs: this.startedMs,
        audit: options.audit,
      }))
    const { plan, tiers } = await this.takeBack(planned, { assembly, tools })
    await parts.noting[Symbol.asyncDispose]()
    this.notes.push(...parts.throttle.notes())
    options.report({ phase: 'stopping' })
    const control = await readControlFile(this.files, options)
    const packs = await storeControlFile({ path: CONTROL_FILE, content: control.bytes }, assembly, tools)
    this.bytesRead = pool.bytesRead + control.bytes.length
    const stopped = parts.early?.stop ?? (await parts.held.stop())
    if (parts.early && control.data.checkpointLsn > stopped.stopLsn)
      throw this.snapshotTooLate(control.data, stopped.stopLsn)
    const timeline = lastTimeline(control.data, parts.facts)
    if (timeline !== own.timeline) throw this.timelineChanged(own.timeline, timeline)
    this.bytesAudited = pool.bytesAudited
    return { plan, tiers, assembly, findings, stopped: { ...stopped, control: control.data, packs } }
  }

  /** What interrupted backups have stored and the source still has. */
  private async resume(
    { planned, own, base }: { planned: FilePlan; own: OwnFacts; base: Base | undefined },
    tools: CopyingTools,
  ): Promise<ReadonlyMap<string, Reuse> | undefined> {
    const { options, parts } = this
    const state = {
      ...own.control,
      timeline: own.timeline,
      startLsn: own.startLsn,
      dataChecksums: own.control.dataChecksumVersion === 1,
    }
    parts.noting.begin({
      systemIdentifier: state.systemIdentifier,
      timeline: state.timeline,
      startLsn: state.startLsn,
      catalogVersion: state.catalogVersion,
      dataChecksums: state.dataChecksums,
    })
    const found = await options.repository.listInterrupted(options.warehouse.declaration.name, options.signal)
    if (found.length === 0) return undefined
    const { usable, refused } = chooseInterrupted(found, state)
    if (refused !== undefined) this.notes.push(refused)
    if (usable.length === 0) return undefined
    await this.waitForWal(own, own.startLsn)
    const since = { ...options, facts: parts.facts, waitForWal: () => Promise.resolve() }
    const resumed = await resume({
      interrupted: usable,
      plan: planned,
      base,
      tools,
      changesSince: (one) => changesSince(one.startLsn, own, since),
    })
    this.notes.push(...resumed.notes)
    await parts.writer.adoptPacks(resumed.packs, options.signal)
    return resumed.reuse
  }

  /** The second look: what is left out by now is all that is left out. */
  private async takeBack(
    plan: FilePlan,
    to: { assembly: Assembly; tools: CopyingTools },
  ): Promise<Pick<Copied, 'plan' | 'tiers'>> {
    const { tiers: rules = [], signal } = this.options
    if (plan.scratch.length === 0) return { plan, tiers: undefined }
    const tiers = this.parts.early?.tiers ?? (await readTiers(sourceServer(this.options), rules, signal))
    this.notes.push(...tiers.notes)
    const back = takenBack(plan, tiers)
    await copySegments(
      back.map((planned) => ({ planned, blocks: undefined, parent: undefined })),
      to,
    )
    const again = new Set(back.map((one) => one.listed.path))
    const scratch = plan.scratch.filter((one) => !again.has(one.path))
    return { plan: { ...plan, segments: [...plan.segments, ...back], scratch }, tiers }
  }

  private snapshotTooLate({ checkpointLsn }: ControlData, stopLsn: Lsn): Error {
    const { name } = this.options.warehouse.declaration
    return backupErrors.snapshotTooLate({
      warehouse: name,
      checkpoint: formatLsn(checkpointLsn),
      stop: formatLsn(stopLsn),
    })
  }

  private timelineChanged(from: number, to: number): Error {
    return backupErrors.timelineChanged({ warehouse: this.options.warehouse.declaration.name, from, to })
  }

  private async waitForWal(own: OwnFacts, lsn: Lsn): Promise<void> {
    this.options.report({ phase: 'waiting for wal', note: `up to ${formatLsn(lsn)}` })
    await this.parts.receiving.waitUntilDurable({ timeline: own.timeline, lsn }, this.options.signal)
  }

  /** The repository itself is asked, not the receiver: every byte from start to stop, without a hole. */
  private async checkWal(own: OwnFacts, stopLsn: Lsn): Promise<void> {
    const { systemIdentifier } = own.control
    const infos = await this.options.repository.wal.list(systemIdentifier, this.options.signal, own.timeline)
    const spans = ownSpans(own).filter((span) => span.timeline === own.timeline)
    const found = chooseChunks(infos, { systemIdentifier, spans, fromLsn: own.startLsn, untilLsn: stopLsn })
    if ('doubt' in found) throw backupErrors.walMissing({ why: found.doubt })
  }

  private async commit(of: Committing): Promise<ManifestDraft> {
    const { options, parts } = this
    const { assembly, stopped } = of
    await parts.writer.finishMaps(stopped.packs, options.signal)
    const control = await this.files.stat(CONTROL_FILE)
    const listed = {
      kind: 'plain',
      path: CONTROL_FILE,
      mode: control?.mode ?? 0o600,
      modifiedMs: control?.modifiedMs ?? this.startedMs,
      bytes: 8192,
    } as const
    const backupId = parts.writer.id
    const { startedMs } = this
    const { startLsn } = of.own
    const audits = of.findings?.audits
    const whole = { plan: of.plan, assembly, backupId, startLsn, startedMs, audits, control: listed }
    const files = manifestFiles(whole)
    const label = parseBackupLabel(stopped.backupLabel)
    if (label.startTimeline !== of.own.timeline) throw this.timelineChanged(of.own.timeline, label.startTimeline)
    const finishedMs = options.clock.now()
    const manifest: ManifestDraft = {
      ...this.origin(of),
      ...of.catalog,
      startLsn: label.startLsn,
      stopLsn: stopped.stopLsn,
      replayFromLsn: label.startLsn,
      checkpointLsn: label.checkpointLsn,
      finishedMs,
      backupLabel: stopped.backupLabel,
      tablespaceMap: stopped.tablespaceMap,
      folders: of.plan.folders,
      files,
      unlogged: of.plan.unlogged,
      scratch: of.plan.scratch.map(({ path, mode, bytes }) => ({ path, mode, bytes })),
      distrusted: of.outcome.distrusted,
      corrupt: assembly.corrupt,
      packs: await packsOf(
        files,
        { mapPacks: assembly.packs, packs: stopped.packs, backupId },
        { manifest: of.base?.parent, repository: options.repository, signal: options.signal },
      ),
      statistics: this.statistics(of, files, finishedMs),
      madeBy: options.madeBy,
    }
    await parts.writer.commit(manifest, options.signal)
    return manifest
  }

  private origin({ own, kind, base }: Committing) {
    const { control } = own
    const name = this.options.warehouse.declaration.name
    return {
      id: this.parts.writer.id,
      warehouse: name,
      // One node per warehouse so far: it goes by the name of the warehouse.
      node: name,
      kind,
      parent: base?.purpose === 'increment' ? base.parent.id : undefined,
      independent: base === undefined,
      systemIdentifier: control.systemIdentifier,
      timeline: own.timeline,
      history: own.history,
      startedMs: this.startedMs,
      postgresVersion: own.postgresVersion,
      catalogVersion: control.catalogVersion,
      walSegmentBytes: control.walSegmentBytes,
      blockBytes: control.blockBytes,
      dataChecksums: control.dataChecksumVersion === 1,
    }
  }

  private async readCatalog(tablespaces: Manifest['tablespaces'], tiers: ReadTiers | undefined): Promise<Catalog> {
    const { tiers: rules = [], signal } = this.options
    const warehouse = sourceServer(this.options)
    const known = tiers ?? (await readTiers(warehouse, rules, signal))
    await using session = await warehouse.connect({ purpose: 'backup catalog', signal })
    const outside = await readOutsideFiles(session, this.parts.facts.dataDirectory, this.files.local)
    this.notes.push(...known.warnings, ...outside.warnings)
    return {
      relations: known.relations,
      tablespaces: await nameTablespaces(session, tablespaces),
      settings: await readSettings(session),
      outsideFiles: outside.value,
    }
  }

  private statistics(of: Committing, files: Manifest['files'], finishedMs: number): BackupStatistics {
    const { assembly } = of
    const segments = files.filter((file) => file.kind === 'segment').reduce((bytes, file) => bytes + file.bytes, 0)
    return {
      clusterBytes: files.reduce((bytes, file) => bytes + file.bytes, 0),
      readBytes: this.bytesRead,
      newBytes: assembly.newSegmentBytes + assembly.newPlainBytes,
      storedBytes: of.stopped.packs.reduce((bytes, pack) => bytes + pack.bytes, 0),
      sharedBytes: Math.max(0, segments - assembly.newSegmentBytes),
      staticBytes: staticBytes(of.plan, assembly),
      auditedBytes: this.bytesAudited,
      skippedScratchBytes: of.plan.scratch.reduce((bytes, file) => bytes + file.bytes, 0),
      changeMapBytes: of.base?.changes === undefined ? 0 : changeMapBytes(of.base.changes),
      durationMs: finishedMs - this.startedMs,
    }
  }
}
