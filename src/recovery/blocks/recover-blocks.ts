// Damaged blocks from beginning to end: found, good pages made beside the server, written where that is proven to be right.
import type { Progress } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { join } from 'node:path'

import type { BackupSummary, Repository } from '../../repository/contract.ts'
import { repositories } from '../../repository/contract.ts'
import { noteHealed } from '../../repository/healed.ts'
import { parseLsn, type Lsn } from '../../wal/lsn.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { addRecord } from '../rates/times.ts'
import { openChosenRepository, type RepositoryChoice } from '../restore/open-repository.ts'
import { readingOf } from '../restore/reading.ts'
import { firstRecordFrom } from '../target/records.ts'
import { resolveTarget, type ResolvedTarget } from '../target/resolve.ts'
import { chooseBackup } from './choose-backup.ts'
import { findBlocks, type BlockNames } from './find-blocks.ts'
import { healBlock } from './heal.ts'
import { healOnline } from './online.ts'
import { openPlace, type HealPlace } from './place.ts'
import { walGone, type BlockResult } from './result.ts'
import { rollForward, type RolledForward } from './roll-forward.ts'
import { touchesInServer } from './touches.ts'
import type { WantedBlock } from './wanted.ts'

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
  const manifest = await repository.readManifest(first.resolved.backup.id, signal)
  const blocks = await findBlocks(request, { place, manifest, signal })
  const nothing = { results: [], way: place.kind, backup: undefined, toLsn: undefined, passedOver: [], notes: [] }
  if (blocks.length === 0) return nothing
  const notes = place.kind === 'online' ? await bringWal(place, { repository, request, context, tools }) : []
  const { resolved, backups } = await newest(repository, request, { context, signal })
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
  const results = await heal({ request, place, blocks, rolled, repository }, context, tools)
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
    notes,
  }
}

async function newest(
  repository: Repository,
  request: BlockRequest,
  { context, signal }: { context: Context; signal: AbortSignal },
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
    recordFrom: (view, lsn, reach) => firstRecordFrom({ wal: repository.wal, view, endLsn: reach.endLsn, signal }, lsn),
    signal,
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
    const { resolved } = await newest(repository, request, { context, signal: tools.signal })
    if (resolved.reach.endLsn >= wanted) return []
    if (context.clock.monotonic() >= until)
      return [
        'the repository has not got the newest WAL: what changed after it is told by the WAL of the server itself',
      ]
    await context.clock.sleep(POLL_MS, tools.signal)
  }
}

async function heal(
  of: {
    request: BlockRequest
    place: HealPlace
    blocks: readonly WantedBlock[]
    rolled: RolledForward
    repository: Repository
  },
  context: Context,
  tools: Tools,
): Promise<readonly BlockResult[]> {
  const { request, place, rolled } = of
  const { dataDirectory, control } = place
  const note = async (block: WantedBlock, lsn: Lsn): Promise<void> => {
    const healed = { file: block.path, block: block.inFile, lsn }
    const about = {
      warehouse: request.warehouse,
      systemIdentifier: control.systemIdentifier,
      atMs: context.clock.now(),
    }
    for (const one of await allRepositories(of.repository, request, { context, signal: tools.signal }))
      await noteHealed(one.notices, { ...about, healed }, tools.signal)
  }
  const common = {
    dataDirectory,
    checksums: control.dataChecksumVersion === 1,
    good: rolled.pages,
    dryRun: request.dryRun,
    keepIn: request.keepIn ?? join(context.home, 'bad-pages', request.warehouse),
    at: new Date(context.clock.now()).toISOString(),
    signal: tools.signal,
  }
  const results: BlockResult[] = []
  if (place.kind === 'stopped') {
    const touches = await touchesInServer(of.blocks, {
      dataDirectory,
      timeline: control.timeline,
      segmentBytes: control.walSegmentBytes,
      majorVersion: control.majorVersion,
      fromLsn: rolled.toLsn,
      toLsn: control.checkpointLsn,
      signal: tools.signal,
    })
    for (const block of of.blocks) {
      const atLsn = control.checkpointLsn
      if (!touches) results.push({ block, outcome: 'refused', why: walGone })
      else
        results.push(
          await healBlock(block, { ...common, touches, note: (one) => note(one, atLsn), readBack: undefined }),
        )
    }
    return results
  }
  for (const blocks of byRelation(of.blocks)) {
    const { database } = blocks[0]!.file
    const name = place.facts.databases.find((one) => one.oid === database)?.name
    if (database === 0 || name === undefined) {
      const why =
        database === 0
          ? 'it is of a shared catalog: healed with the server stopped only'
          : `there is no database ${database}`
      results.push(...blocks.map((block) => ({ block, outcome: 'refused', why }) as const))
      continue
    }
    await using session = await place.warehouse.connect({ purpose: 'heal', database: name, signal: tools.signal })
    results.push(
      ...(await healOnline({
        ...common,
        session,
        facts: place.facts,
        blocks,
        goodToLsn: rolled.toLsn,
        lockTimeoutMs: request.lockTimeoutMs,
        note,
      })),
    )
  }
  return results
}

/** The repositories that hold backups of the warehouse: each has parents of its own. */
async function allRepositories(
  repository: Repository,
  request: BlockRequest,
  { context, signal }: { context: Context; signal: AbortSignal },
): Promise<readonly Repository[]> {
  if (request.repositoryPath !== undefined || request.repositoryS3 !== undefined) return [repository]
  const { repositories: names } = (await context.use(warehouses)).get(request.warehouse).declaration
  const service = await context.use(repositories)
  return await Promise.all(names.map((name) => service.open(name, signal)))
}

function byRelation(blocks: readonly WantedBlock[]): readonly (readonly WantedBlock[])[] {
  const relations = new Map<string, WantedBlock[]>()
  for (const one of blocks) {
    const { tablespace, database, relfilenode } = one.file
    const key = `${tablespace}/${database}/${relfilenode}`
    const same = relations.get(key)
    if (same) same.push(one)
    else relations.set(key, [one])
  }
  return [...relations.values()]
}
