// Takes one backup, by design.md section 7: begin, change map, listing, copying, end, WAL, manifest. Whatever fails on the way leaves nothing visible.
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type {
  BackupKind,
  BackupStatistics,
  BackupWriter,
  Manifest,
  PackRef,
  Repository,
} from '../../repository/contract.ts'
import type { ControlData } from '../../wal/contract.ts'
import { parseBackupLabel } from '../../wal/labels.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { ServerFacts, Session, Warehouse } from '../../warehouse/contract.ts'
import type { FileSource } from '../../warehouse/rights.ts'
import { enterBackup } from '../../warehouse/interlock.ts'
import { CopyPool } from '../copy/pool.ts'
import { backupErrors } from '../errors.ts'
import { chooseChunks } from '../plan/changes.ts'
import { planFiles, type Base, type FilePlan } from '../plan/files.ts'
import { ownSpans, type OwnFacts } from '../plan/parent.ts'
import { nameTablespaces, readOutsideFiles, readRelations, readSettings } from '../server/catalog.ts'
import { readControlFile } from '../server/control-data.ts'
import { holdBackup, type HeldBackup } from '../server/held-backup.ts'
import type { ClusterFiles } from '../source/cluster-files.ts'
import { CONTROL_FILE } from '../source/exclusions.ts'
import { Throttle, type ThrottlePolicy } from '../throttle/throttle.ts'
import type { Assembly } from './assembly.ts'
import { beginWriting } from './begin-writing.ts'
import { askServer, checkCluster, checkServer, findBase, ownFacts } from './begin.ts'
import { copyFiles, storeControlFile, type CopyingTools } from './copying.ts'
import { manifestFiles, newMaps, packsOf, staticBytes } from './manifest.ts'
import type { Report } from './progress.ts'

/** WAL on its way into the repository for as long as the backup lasts. */
export interface Receiving {
  /** Resolves once all WAL of the timeline before `lsn` is durable in the repository, sealing early what is wanted. */
  waitUntilDurable(at: { timeline: number; lsn: Lsn }, signal: AbortSignal): Promise<void>
}

export interface TakeOptions {
  readonly warehouse: Warehouse
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
  readonly workers: number
  /** Whether the server takes its first checkpoint at once. */
  readonly fastCheckpoint: boolean
  /** How long to wait for loads that are not logged; default: without end. */
  readonly unloggedWaitMs?: number | undefined
  readonly madeBy: string
  /** Go on although all backups of the warehouse are of another cluster: it was upgraded or made anew on purpose. */
  readonly adopt?: boolean
  readonly clock: Clock
  readonly log: Log
  readonly report: Report
  readonly signal: AbortSignal
}

export interface TakenBackup {
  readonly manifest: Manifest
  /** What an operator should know although the backup is good: why whole reads, files left out, parts of the map missing. */
  readonly notes: readonly string[]
}

/** Resolves when the backup is complete: everything durable, the manifest read back. */
export async function takeBackup(options: TakeOptions): Promise<TakenBackup> {
  const { warehouse, repository, report } = options
  report({ phase: 'starting' })
  const startedMs = options.clock.now()
  const facts = await askServer(options)
  checkServer(facts, warehouse.declaration.name)
  await using scope = new AsyncDisposableStack()
  const throttle = await Throttle.begin(options.throttle, options, scope)
  const files = await options.files(facts.dataDirectory, scope)
  const receiving = await options.receive(scope)
  const writer = await beginWriting(repository, options)
  let complete = false
  scope.defer(() => (complete ? undefined : writer.abandon()))
  // The threads load their code while the server takes its checkpoint; an increment may need no more than one.
  const pool = scope.use(
    new CopyPool({
      workers: options.kind === 'full' ? options.workers : 1,
      clock: options.clock,
      seed: writer.seed,
      source: files.descriptor,
      throttle: throttle.forThreads,
      checksums: facts.dataChecksums,
    }),
  )
  const held = scope.use(
    await holdBackup({
      warehouse,
      label: `wharf ${writer.id}`,
      fast: options.fastCheckpoint,
      clock: options.clock,
      signal: options.signal,
      enter: (session) => keepUnloggedLoadsOut(session, options),
    }),
  )
  const signal = AbortSignal.any([options.signal, held.lost])
  throttle.watch(() => pool.bytesRead)
  const parts = { startedMs, facts, files, writer, pool, held, receiving, throttle }
  const taking = new Taking({ ...options, signal }, parts)
  try {
    const taken = await taking.run()
    complete = true
    return taken
  } catch (error) {
    // The lost session is the cause; what failed because of it is not.
    throw held.lost.aborted ? held.lost.reason : error
  }
}

/** P6: no backup overlaps a load that is not logged. */
async function keepUnloggedLoadsOut(session: Session, options: TakeOptions): Promise<void> {
  const { warehouse, clock, signal, report, unloggedWaitMs } = options
  await enterBackup(session, {
    warehouse: warehouse.declaration.name,
    clock,
    signal,
    waitMs: unloggedWaitMs,
    onWait: (holders) => report({ phase: 'waiting for unlogged loads', note: holders.join(', ') }),
  })
}

interface Parts {
  readonly startedMs: number
  readonly facts: ServerFacts
  readonly files: ClusterFiles
  readonly writer: BackupWriter
  readonly pool: CopyPool
  readonly held: HeldBackup
  readonly receiving: Receiving
  readonly throttle: Throttle
}

interface Stopped {
  readonly stopLsn: Lsn
  readonly backupLabel: string
  readonly tablespaceMap: string
  readonly control: ControlData
  readonly packs: readonly PackRef[]
}

type Catalog = Pick<Manifest, 'relations' | 'tablespaces' | 'settings' | 'outsideFiles'>

/** All that a manifest is made of. */
interface Committing {
  readonly own: OwnFacts
  readonly kind: BackupKind
  readonly base: Base | undefined
  readonly plan: FilePlan
  readonly catalog: Catalog
  readonly assembly: Assembly
  readonly stopped: Stopped
}

class Taking {
  private readonly options: TakeOptions
  private readonly parts: Parts
  private readonly files: ClusterFiles
  private readonly startedMs: number
  private readonly notes: string[] = []
  private bytesRead = 0

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
    options.report({ phase: 'waiting for wal', note: `up to ${formatLsn(own.startLsn)}` })
    if (options.kind !== 'full') await this.waitForWal(own, own.startLsn)
    const { kind, base, notes } = await findBase(options.kind, own, options)
    this.notes.push(...notes)
    options.report({ phase: 'listing' })
    const tablespaces = await this.files.tablespaces(options.signal)
    const versionFolder = `PG_${parts.facts.majorVersion}_${own.control.catalogVersion}`
    const listed = this.files.list({ signal: options.signal, versionFolder, majorVersion: parts.facts.majorVersion })
    const plan = await planFiles(listed, tablespaces, base)
    for (const { path, what } of plan.odd) this.notes.push(`${path} is left out: ${what}`)
    const copied = await this.copy(plan, own)
    const [catalog] = await Promise.all([
      this.readCatalog(tablespaces),
      this.waitForWal(own, copied.stopped.stopLsn).then(() => this.checkWal(own, copied.stopped.stopLsn)),
    ])
    options.report({ phase: 'storing' })
    const manifest = await this.commit({ own, kind, base, plan, catalog, ...copied })
    return { manifest, notes: this.notes }
  }

  private async copy(plan: FilePlan, own: OwnFacts): Promise<{ assembly: Assembly; stopped: Stopped }> {
    const { options, parts } = this
    const { pool } = parts
    const tools: CopyingTools = { ...options, pool, heldBack: () => parts.throttle.note }
    const assembly = await copyFiles(plan, tools)
    this.notes.push(...parts.throttle.notes())
    options.report({ phase: 'stopping' })
    const control = await readControlFile(this.files, options)
    const packs = await storeControlFile({ path: CONTROL_FILE, content: control.bytes }, assembly, tools)
    this.bytesRead = pool.bytesRead + control.bytes.length
    const stopped = await parts.held.stop()
    if (control.data.timeline !== own.timeline) throw this.timelineChanged(own.timeline, control.data.timeline)
    return { assembly, stopped: { ...stopped, control: control.data, packs } }
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

  private async commit(of: Committing): Promise<Manifest> {
    const { options, parts } = this
    const { assembly, stopped } = of
    const maps = newMaps(assembly)
    const refs = await parts.writer.writeMaps(maps, stopped.packs, options.signal)
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
    const files = manifestFiles({ plan: of.plan, assembly, maps, refs, backupId, startLsn, startedMs, control: listed })
    const label = parseBackupLabel(stopped.backupLabel)
    if (label.startTimeline !== of.own.timeline) throw this.timelineChanged(of.own.timeline, label.startTimeline)
    const finishedMs = options.clock.now()
    const manifest: Manifest = {
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
      scratch: [],
      distrusted: [],
      corrupt: assembly.corrupt,
      packs: await packsOf(
        files,
        { maps, packs: stopped.packs, backupId },
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
      parent: base?.parent.id,
      independent: kind === 'full',
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

  private async readCatalog(tablespaces: Manifest['tablespaces']): Promise<Catalog> {
    const { warehouse, signal } = this.options
    const relations = await readRelations(warehouse, signal)
    await using session = await warehouse.connect({ purpose: 'backup catalog', signal })
    const outside = await readOutsideFiles(session, this.parts.facts.dataDirectory, this.files.local)
    this.notes.push(...relations.warnings, ...outside.warnings)
    return {
      relations: relations.value,
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
      staticBytes: staticBytes(of.plan),
      auditedBytes: 0,
      skippedScratchBytes: 0,
      changeMapBytes: 0,
      durationMs: finishedMs - this.startedMs,
    }
  }
}
