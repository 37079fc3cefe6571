// When rows of a table vanished, from the repository alone: a backup's catalogs, the change maps of WAL to know where to look, and the WAL there.
import type { Context } from '../../base/room.ts'
import type { Progress } from '../../base/operation.ts'
import type { BackupSummary, Manifest, Repository } from '../../repository/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { liesOn } from '../target/history.ts'
import { firstRecordFrom } from '../target/records.ts'
import { resolveTarget, type ResolvedTarget } from '../target/resolve.ts'
import { shownName } from '../tables/names.ts'
import { readCatalog, type BackupCatalog } from './backup-catalog.ts'
import { ChunkRecords } from './chunk-records.ts'
import { CommittedCatalog } from './committed-catalog.ts'
import { whenErrors as errors } from './errors.ts'
import type { FoundEvent } from './event.ts'
import { mustFollow } from './must-follow.ts'
import type { AskedName } from './relation-name.ts'
import { survey, type Survey, type SurveyedChunk } from './survey.ts'
import { RelationWatch } from './watch.ts'

export interface WhenRequest {
  readonly warehouse: string
  readonly relation: AskedName
  readonly timeline?: number | undefined
  /** Microseconds since 1970 UTC. */
  readonly sinceUs: bigint
  readonly untilUs: bigint | undefined
}

export interface WhenFound {
  readonly database: string
  /** `schema.name`, quoted where SQL needs it. */
  readonly relation: string
  readonly backup: BackupSummary
  readonly oldestBackup: BackupSummary
  readonly timeline: number
  /** In the order of WAL. */
  readonly events: readonly (FoundEvent & { readonly load: string | undefined })[]
  readonly wal: {
    readonly fromLsn: Lsn
    readonly toLsn: Lsn
    readonly bytes: number
    readonly readBytes: number
    readonly chunks: number
  }
  readonly notes: readonly string[]
}

interface Tools {
  readonly repository: Repository
  readonly context: Pick<Context, 'log'>
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

export async function findWhen(request: WhenRequest, tools: Tools): Promise<WhenFound> {
  tools.report({ phase: 'planning' })
  const { resolved, backups } = await historyOf(request, tools)
  const backup = backups.findLast((one) => BigInt(Math.floor(one.finishedMs)) * 1000n <= request.sinceUs) ?? backups[0]!
  const catalog = await catalogOf(request, backup, tools)
  const committed = new CommittedCatalog(catalog, request.relation)
  const fromLsn = backup.startLsn
  const chunks = resolved.history.chunks.filter((one) => one.toLsn > fromLsn)
  const surveyed = await survey({
    wal: tools.repository.wal,
    chunks,
    database: catalog.database.oid,
    pgClass: catalog.pgClass.file,
    signal: tools.signal,
    progress: (done, total) => tools.report({ phase: 'reading change maps', done, total, unit: 'count' }),
  })
  const follow = await mustFollow({ catalog, committed, surveyed }, tools)
  const watch = new RelationWatch(catalog, committed, follow)
  const readBytes = await readThrough({ watch, catalog, surveyed, follow }, tools)
  const names = committed.rows()
  if (names.length === 0 && watch.events.length === 0)
    throw errors.unknownRelation({
      relation: `${request.relation.schema}.${request.relation.name}`,
      database: catalog.database.name,
      backup: backup.id,
    })
  return {
    database: catalog.database.name,
    relation: shownName(request.relation),
    backup,
    oldestBackup: backups[0]!,
    timeline: resolved.history.timeline,
    events: withLoads(watch.events, surveyed).filter((one) => isAsked(one, request)),
    wal: {
      fromLsn,
      toLsn: chunks.at(-1)?.toLsn ?? fromLsn,
      bytes: chunks.reduce((sum, one) => sum + Number(one.toLsn - one.fromLsn), 0),
      readBytes,
      chunks: chunks.length,
    },
    notes: notesOf({ request, backup, surveyed, watch, names: names.map((one) => one.persistence) }),
  }
}

/** The history to the newest point, and the backups on it, oldest first. */
async function historyOf(
  request: WhenRequest,
  { repository, context, signal }: Tools,
): Promise<{ resolved: ResolvedTarget; backups: readonly BackupSummary[] }> {
  const backups = await repository.listBackups(signal, {
    warehouse: request.warehouse,
    onDamaged: (object, error) => context.log.warn({ object, err: error }, 'a manifest is damaged'),
  })
  const resolved = await resolveTarget({
    wal: repository.wal,
    backups,
    warehouse: request.warehouse,
    repository: repository.name,
    request: { kind: 'latest' },
    timeline: request.timeline,
    recordFrom: (view, lsn, reach) => firstRecordFrom({ wal: repository.wal, view, endLsn: reach.endLsn, signal }, lsn),
    signal,
  })
  const { systemIdentifier } = resolved.backup
  const own = backups
    .filter((one) => one.systemIdentifier === systemIdentifier && liesOn(resolved.history.spans, one))
    .sort((a, b) => (a.startLsn < b.startLsn ? -1 : 1))
  return { resolved, backups: own }
}

async function catalogOf(request: WhenRequest, backup: BackupSummary, tools: Tools): Promise<BackupCatalog> {
  const { repository, signal } = tools
  const manifest = await repository.readManifest(backup.id, signal)
  const { relation } = request
  const label = `${relation.schema}.${relation.name}`
  const databases = [...new Set(manifest.relations.map((one) => one.database))].filter((one) => one !== '').sort()
  if (relation.database !== undefined) {
    if (!databases.includes(relation.database))
      throw errors.unknownDatabase({ database: relation.database, backup: backup.id })
    return await readCatalog(repository, { manifest, database: relation.database, signal })
  }
  const byMap = databasesWith(manifest, relation)
  if (byMap.length > 1) throw errors.ambiguousRelation({ relation: label, databases: byMap })
  if (byMap.length === 1) return await readCatalog(repository, { manifest, database: byMap[0]!, signal })
  // Partitioned tables have no files, so the relation map does not know them.
  const found: BackupCatalog[] = []
  for (const database of databases) {
    const catalog = await readCatalog(repository, { manifest, database, signal })
    if (new CommittedCatalog(catalog, relation).hasTarget || databases.length === 1) found.push(catalog)
  }
  if (found.length > 1)
    throw errors.ambiguousRelation({ relation: label, databases: found.map((one) => one.database.name) })
  if (found.length === 0)
    throw errors.unknownRelation({ relation: label, database: databases.join(', '), backup: backup.id })
  return found[0]!
}

function databasesWith(manifest: Pick<Manifest, 'relations'>, { schema, name }: AskedName): string[] {
  const found = manifest.relations.filter((one) => one.name === name && one.schema === schema)
  return [...new Set(found.map((one) => one.database))]
}

async function readThrough(
  of: { watch: RelationWatch; catalog: BackupCatalog; surveyed: Survey; follow: boolean },
  tools: Tools,
): Promise<number> {
  const { watch, surveyed } = of
  const { repository, signal } = tools
  const records = new ChunkRecords({
    wal: repository.wal,
    chunks: surveyed.chunks.map((one) => one.placed),
    onRecord: (record, at) => watch.record(record, at),
    signal,
  })
  const catalogs = of.follow ? [of.catalog.pgClass.file.relfilenode, of.catalog.pgInherits.file.relfilenode] : []
  for (const [index, chunk] of surveyed.chunks.entries()) {
    signal.throwIfAborted()
    tools.report({ phase: 'reading WAL', done: index, total: surveyed.chunks.length, unit: 'count' })
    const isTouched = touches(chunk, [...watch.committed.relfilenodes(), ...catalogs])
    // The first tells which transactions run already.
    if (isTouched || chunk.isOpaque || !watch.knowsStart) await records.read(index)
    else if (watch.isWaiting && !(await endsByIndex(chunk, watch, tools))) await records.read(index)
  }
  return records.bytesRead
}

function touches(chunk: SurveyedChunk, files: readonly number[]): boolean {
  return files.some((one) => chunk.touched.has(one))
}

/** Of a commit or abort record with neither subtransactions nor dropped files, unless a page ends within it. */
const PLAIN_END_BYTES = 40n

/** Takes ends of transactions from the commit index; false where only the records themselves tell all. */
async function endsByIndex(
  chunk: SurveyedChunk,
  watch: RelationWatch,
  { repository, signal }: Tools,
): Promise<boolean> {
  const { commits } = await repository.wal.readIndex(chunk.placed.info, signal)
  const ends = commits.filter(
    (one) =>
      (one.kind === 'commit' || one.kind === 'abort') &&
      one.endLsn > chunk.placed.fromLsn &&
      one.endLsn <= chunk.placed.toLsn,
  )
  if (ends.some((one) => one.endLsn - one.startLsn !== PLAIN_END_BYTES)) return false
  for (const one of ends)
    if (watch.mayConcern(one.xid))
      watch.endedByIndex({ xid: one.xid, committed: one.kind === 'commit', timeUs: one.timeUs }, one)
  return true
}

/** A load's mark stands in its own transaction: the newest before the commit with that id. */
function withLoads(events: readonly FoundEvent[], { loads }: Survey): WhenFound['events'] {
  return events.map((event) => ({
    ...event,
    load: loads.findLast((one) => one.xid === event.xid && one.startLsn <= event.startLsn)?.name,
  }))
}

function isAsked(event: FoundEvent, { sinceUs, untilUs }: WhenRequest): boolean {
  return event.timeUs >= sinceUs && (untilUs === undefined || event.timeUs <= untilUs)
}

function notesOf(of: {
  request: WhenRequest
  backup: BackupSummary
  surveyed: Survey
  watch: RelationWatch
  names: readonly string[]
}): readonly string[] {
  const notes: string[] = []
  const finishedUs = BigInt(Math.floor(of.backup.finishedMs)) * 1000n
  if (finishedUs > of.request.sinceUs)
    notes.push(`nothing is known from before backup ${of.backup.id}: the repository holds no older one`)
  if (of.names.includes('u')) notes.push('the table is unlogged: WAL tells nothing of its rows')
  for (const [index, { placed, problem }] of of.surveyed.chunks.entries()) {
    const before = of.surveyed.chunks[index - 1]?.placed.toLsn ?? placed.fromLsn
    if (before < placed.fromLsn)
      notes.push(
        `WAL from ${formatLsn(before)} to ${formatLsn(placed.fromLsn)} is missing: what happened there is not known`,
      )
    if (problem !== undefined) notes.push(`WAL from ${formatLsn(placed.fromLsn)} on was not understood: ${problem}`)
  }
  if (of.watch.isCatalogLost)
    notes.push(
      'the catalogs could not be followed all the way: after a rewrite of the table or of pg_class what happened later may be missing',
    )
  return notes
}
