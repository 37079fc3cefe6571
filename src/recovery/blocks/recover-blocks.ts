// Damaged blocks from beginning to end: found, good pages made beside the server, written where that is proven to be right.
import type { Progress } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'

import type { BackupSummary, Repository } from '../../repository/contract.ts'
import { parseLsn, type Lsn } from '../../wal/lsn.ts'
import { addRecord } from '../rates/times.ts'
import { openChosenRepository, type RepositoryChoice } from '../restore/open-repository.ts'
import { readingOf } from '../restore/reading.ts'
import { firstRecordFrom } from '../target/records.ts'
import { resolveTarget, type ResolvedTarget } from '../target/resolve.ts'
import { chooseBackup } from './choose-backup.ts'
import { healAll } from './heal-all.ts'
import { findBlocks, type BlockNames } from './find-blocks.ts'
import { demandSameHistory, openPlace, timelineError, timelineOf, type HealPlace } from './place.ts'
import type { BlockResult } from './result.ts'
import { rollForward } from './roll-forward.ts'
import type { WantedBlock } from './wanted.ts'
import { nobody, whomToTell } from './whom-to-tell.ts'

export interface BlockRequest extends BlockNames, RepositoryChoice {
  readonly dataDirectory?: string | undefined
  readonly dryRun: boolean
  /** Folder for the bad pages. */
  readonly keepIn?: string | undefined
  readonly workIn?: string | undefined
  readonly binaries?: string | undefined
  readonly owner?: string | undefined
  /** How long to wait until the repository has the server's WAL. */
  readonly waitMs: number
  readonly lockTimeoutMs: number
}

export interface BlocksReport {
  readonly results: readonly BlockResult[]
  readonly way: HealPlace['kind']
  readonly backup: string | undefined
  readonly toLsn: Lsn | undefined
  readonly passedOver: readonly string[]
  readonly notes: readonly string[]
}

interface Tools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
  /** Asked when good pages are there, before anything is written. */
  readonly confirm: (blocks: readonly WantedBlock[], place: HealPlace) => Promise<void>
}

export async function recoverBlocks(request: BlockRequest, context: Context, tools: Tools): Promise<BlocksReport> {
  const started = context.clock.monotonic()
  tools.report({ phase: 'planning' })
  const { signal } = tools
  const chosen = await openChosenRepository(request, context, signal)
  await using _ = { [Symbol.asyncDispose]: () => chosen.close() }
  const { repository } = chosen
  await using __ = await readingOf(repository, { warehouse: request.warehouse, log: context.log, signal })
  const first = await newest(repository, request, { context, signal })
  const place = await openPlace(
    { ...request, systemIdentifier: first.resolved.backup.systemIdentifier },
    context,
    signal,
  )
  const onServer = await newest(repository, request, { place, context, signal })
  await demandSameHistory(place, onServer.resolved.history.spans)
  const manifest = await repository.readManifest(onServer.resolved.backup.id, signal)
  const blocks = await findBlocks(request, { place, manifest, signal })
  const nothing = { results: [], way: place.kind, backup: undefined, toLsn: undefined, passedOver: [], notes: [] }
  if (blocks.length === 0) return nothing
  const notes = place.kind === 'online' ? await bringWal(place, { repository, request, context, tools }) : []
  const { resolved, backups } = await newest(repository, request, { place, context, signal })
  const source = await chooseBackup({
    warehouse: request.warehouse,
    repository,
    history: resolved.history,
    backups,
    endLsn: resolved.reach.endLsn,
    blocks,
    signal,
  })
  const rolled = await rollForward(
    {
      choice: request,
      manifest: source.manifest,
      timeline: resolved.history.timeline,
      blocks,
      binaries: request.binaries,
      owner: request.owner,
      under: request.workIn,
    },
    context,
    tools,
  )
  if (!request.dryRun) await tools.confirm(blocks, place)
  tools.report({ phase: 'healing' })
  const told = request.dryRun ? nobody : await whomToTell(repository, request, { context, signal })
  const results = await healAll({ request, place, blocks, rolled, repositories: told.repositories }, context, signal)
  await addRecord(context.home, {
    at: new Date(context.clock.now()).toISOString(),
    warehouse: request.warehouse,
    backup: source.manifest.id,
    target: 'blocks',
    verified: true,
    way: 'block',
    repository: repository.name,
    durationMs: context.clock.monotonic() - started,
    steps: rolled.times,
  }).catch((error: unknown) => context.log.warn({ err: error }, 'the times of this recovery could not be kept'))
  return {
    results,
    way: place.kind,
    backup: source.manifest.id,
    toLsn: rolled.toLsn,
    passedOver: source.passedOver,
    notes: [...notes, ...told.notes],
  }
}

/** Of the timeline that the server itself is on, where a place is given: the newest one may be another server's. */
async function newest(
  repository: Repository,
  request: BlockRequest,
  { place, context, signal }: { place?: HealPlace; context: Context; signal: AbortSignal },
): Promise<{ resolved: ResolvedTarget; backups: readonly BackupSummary[] }> {
  const all = await repository.listBackups(signal, {
    warehouse: request.warehouse,
    onDamaged: (object, error) => context.log.warn({ object, err: error }, 'a manifest is damaged'),
  })
  const resolved = await resolveTarget({
    wal: repository.wal,
    backups: all,
    warehouse: request.warehouse,
    repository: repository.name,
    request: { kind: 'latest' },
    timeline: place && timelineOf(place),
    recordFrom: (view, lsn, reach) => firstRecordFrom({ wal: repository.wal, view, endLsn: reach.endLsn, signal }, lsn),
    signal,
  }).catch((error: unknown) => {
    throw place ? timelineError(error, place) : error
  })
  const { systemIdentifier } = resolved.backup
  return { resolved, backups: all.filter((one) => one.systemIdentifier === systemIdentifier) }
}

const POLL_MS = 200

/** The server hands over its WAL up to now, and the repository is waited for. Where that does not come about, the server's own pg_wal tells of the rest. */
async function bringWal(
  place: HealPlace & { kind: 'online' },
  of: { repository: Repository; request: BlockRequest; context: Context; tools: Tools },
): Promise<readonly string[]> {
  const { repository, request, context, tools } = of
  if (request.waitMs === 0) return []
  await using session = await place.warehouse.connect({ purpose: 'heal', signal: tools.signal })
  const [row] = await session.query<{ lsn: string }>('select pg_catalog.pg_switch_wal()::text as lsn')
  const wanted = parseLsn(row!.lsn)
  const until = context.clock.monotonic() + request.waitMs
  tools.report({ phase: 'waiting for WAL' })
  for (;;) {
    const { resolved } = await newest(repository, request, { place, context, signal: tools.signal })
    if (resolved.reach.endLsn >= wanted) return []
    if (context.clock.monotonic() >= until)
      return [
        'the repository has not got the newest WAL: what changed after it is told by the WAL of the server itself',
      ]
    await context.clock.sleep(POLL_MS, tools.signal)
  }
}
