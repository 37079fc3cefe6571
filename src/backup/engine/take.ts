// Takes one backup, by design.md section 7: begin, change map, listing, copying, end, WAL, manifest. Whatever fails on the way leaves nothing visible.
import { keepLargeHeapSmall } from '../../base/freed-memory.ts'
import type { BackupWriter, Manifest, ManifestDraft } from '../../repository/contract.ts'
import type { ControlData } from '../../wal/contract.ts'
import { parseBackupLabel } from '../../wal/labels.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { ServerFacts, Session } from '../../warehouse/contract.ts'
import { CopyPool } from '../copy/pool.ts'
import { backupErrors } from '../errors.ts'
import { chooseChunks } from '../plan/changes.ts'
import { planFiles, type FilePlan } from '../plan/files.ts'
import { replayFrom } from '../plan/defer.ts'
import { ownSpans, type OwnFacts } from '../plan/parent.ts'
import { withoutPreparedLater } from '../plan/prepared.ts'
import { nameTablespaces, readOutsideFiles, readSettings } from '../server/catalog.ts'
import { CONTROL_BYTES, readControlFile } from '../server/control-data.ts'
import { holdBackup, type HeldBackup } from '../server/held-backup.ts'
import type { ClusterFiles } from '../source/cluster-files.ts'
import { CONTROL_FILE } from '../source/exclusions.ts'
import { Noting, NOTE_EVERY_MS } from '../resume/noting.ts'
import { Throttle } from '../throttle/throttle.ts'
import type { Assembly } from './assembly.ts'
import { beginStandby, keepUnloggedLoadsOut, takeSnapshot, type Early } from './enter.ts'
import { receiveAndBegin } from './begin-writing.ts'
import {
  askServer,
  changesSince,
  checkCluster,
  checkServer,
  findBase,
  lastTimeline,
  MANY_FILES,
  ownFacts,
  sourceServer,
  type FoundBase,
} from './begin.ts'
import { copyFiles, copySegments, storeControlFile, type CopyingTools } from './copying.ts'
import { decideDeferral } from './deferring.ts'
import { draftManifest, type Catalog, type Copied, type Finished } from './draft.ts'
import { goOn } from './going-on.ts'
import type { Receiving, TakenBackup, TakeOptions } from './options.ts'
import { judgeFindings } from './outcome.ts'
import { examineStored } from './stored.ts'
import { needTiersFirst, readTiers, takenBack, type ReadTiers } from './tiering.ts'

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
    const listing = { signal: options.signal, versionFolder, majorVersion: parts.facts.majorVersion }
    const listed = withoutPreparedLater(this.files.list(listing), own.control.nextXid)
    const tiers = await this.firstTiers(own)
    const { deferral, notes } = await decideDeferral({ own, base, tiers, startedMs: this.startedMs }, options)
    this.notes.push(...notes)
    const planned = await planFiles(listed, { tablespaces, base, leftOut: tiers?.leftOut, deferral })
    if (planned.segments.length > MANY_FILES) keepLargeHeapSmall()
    if (planned.hasPrepared) this.notes.push('nothing is deferred: there are prepared transactions')
    for (const { path, what } of planned.odd) this.notes.push(`${path} is left out: ${what}`)
    const { reading, ...copied } = await this.copy(planned, { own, found, tablespaces })
    const { plan } = copied
    const { stopLsn } = copied.stopped
    await this.waitForWal(own, stopLsn)
    const wanted = { fromLsn: replayFrom(plan, own.startLsn), untilLsn: stopLsn }
    const [catalog] = await Promise.all([reading, this.checkWal(own, wanted)])
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

  private async firstTiers(own: OwnFacts): Promise<ReadTiers | undefined> {
    const { tiers = [], signal } = this.options
    if (!needTiersFirst(tiers)) return undefined
    if (own.control.fullPageWrites && this.parts.early) return this.parts.early.tiers
    if (own.control.fullPageWrites) return await readTiers(sourceServer(this.options), tiers, signal)
    if (tiers.some((one) => one.tier === 'scratch'))
      this.notes.push(
        'scratch relations are stored all the same: with full_page_writes = off WAL cannot be replayed without them',
      )
    return undefined
  }

  private async copy(
    planned: FilePlan,
    of: { own: OwnFacts; found: FoundBase; tablespaces: Manifest['tablespaces'] },
  ): Promise<Copied & { reading: Promise<Catalog> }> {
    const { options, parts } = this
    const { own, found } = of
    const { base, distrusted } = found
    const { pool } = parts
    const tools: CopyingTools = { ...options, pool, writer: parts.writer, heldBack: () => parts.throttle.note }
    const { reuse, notes } = await goOn({
      own,
      plan: planned,
      distrusted,
      tools,
      warehouse: options.warehouse.declaration.name,
      repository: options.repository,
      writer: parts.writer,
      noting: parts.noting,
      waitForWal: () => this.waitForWal(own, own.startLsn),
      changesSince: (one) =>
        changesSince(one.startLsn, own, { ...options, facts: parts.facts, waitForWal: () => Promise.resolve() }),
      signal: options.signal,
    })
    this.notes.push(...notes)
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
    // While the server ends the backup: names that change from now on are those of files that were listed long ago.
    const reading = this.readCatalog(of.tablespaces, tiers)
    reading.catch(() => {})
    const control = await readControlFile(this.files, options)
    const packs = await storeControlFile({ path: CONTROL_FILE, content: control.bytes }, assembly, tools)
    this.bytesRead = pool.bytesRead + control.bytes.length
    const stopped = parts.early?.stop ?? (await parts.held.stop())
    if (parts.early && control.data.checkpointLsn > stopped.stopLsn)
      throw this.snapshotTooLate(control.data, stopped.stopLsn)
    const timeline = lastTimeline(control.data, parts.facts)
    if (timeline !== own.timeline) throw this.timelineChanged(own.timeline, timeline)
    this.bytesAudited = pool.bytesAudited
    return { plan, reading, assembly, findings, stopped: { ...stopped, control: control.data, packs } }
  }

  /** The second look: what is left out by now is all that is left out. */
  private async takeBack(
    plan: FilePlan,
    to: { assembly: Assembly; tools: CopyingTools },
  ): Promise<{ plan: FilePlan; tiers: ReadTiers | undefined }> {
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

  /** The repository itself is asked, not the receiver: every byte of what replay needs up to the stop, without a hole. */
  private async checkWal(own: OwnFacts, range: { fromLsn: Lsn; untilLsn: Lsn }): Promise<void> {
    const { systemIdentifier } = own.control
    const infos = await this.options.repository.wal.list(systemIdentifier, this.options.signal, own.timeline)
    const spans = ownSpans(own).filter((span) => span.timeline === own.timeline)
    const found = chooseChunks(infos, { systemIdentifier, spans, ...range })
    if ('doubt' in found) throw backupErrors.walMissing({ why: found.doubt })
  }

  private async commit(of: Finished): Promise<ManifestDraft> {
    const { options, parts } = this
    await parts.writer.finishMaps(of.stopped.packs, options.signal)
    const label = parseBackupLabel(of.stopped.backupLabel)
    if (label.startTimeline !== of.own.timeline) throw this.timelineChanged(of.own.timeline, label.startTimeline)
    const control = await this.files.stat(CONTROL_FILE)
    const listed = {
      kind: 'plain',
      path: CONTROL_FILE,
      mode: control?.mode ?? 0o600,
      modifiedMs: control?.modifiedMs ?? this.startedMs,
      bytes: CONTROL_BYTES,
    } as const
    const { clock, madeBy, repository, signal } = options
    const { bytesRead, bytesAudited, startedMs } = this
    const manifest = await draftManifest(
      { ...of, label, control: listed },
      {
        backupId: parts.writer.id,
        warehouse: options.warehouse.declaration.name,
        startedMs,
        finishedMs: clock.now(),
        bytesRead,
        bytesAudited,
        madeBy,
        repository,
        signal,
      },
    )
    await parts.writer.commit(manifest, signal)
    return manifest
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
}
