// A sandbox: a throw-away server on part of a backup, replayed to a recovery point behind closed doors. It listens on a socket that only its user and root can open,
// acts for nobody, and goes with its scope.
import { availableParallelism } from 'node:os'
import { rm } from 'node:fs/promises'

import type { Progress } from '../../base/operation.ts'
import { timedId } from '../../base/random.ts'
import type { Context } from '../../base/room.ts'
import type { Manifest } from '../../repository/contract.ts'
import { endServer, freePort, type PostgresBinaries } from '../../warehouse/servers.ts'
import { packLeftOut, type LeftOut } from '../get/left-out.ts'
import type { FoundTarget } from '../plan/find-target.ts'
import { askedText } from '../plan/plan.ts'
import type { StepName } from '../rates/times.ts'
import type { RepositoryChoice } from '../restore/open-repository.ts'
import type { Owner } from '../restore/owner.ts'
import { restore, type RestoreResult } from '../restore/restore.ts'
import { librariesForReplay, recoverySettings, replayMinimums, type Settings } from '../restore/settings.ts'
import { lastSegmentLsn, planOf } from '../restore/wal-delivery.ts'
import type { PrivateServer, PrivateSession } from '../server/connect.ts'
import { binariesFor } from '../server/start.ts'
import type { TargetOptions } from '../target/request.ts'
import type { ResolvedTarget, StopPoint } from '../target/resolve.ts'
import { replaysAll, type SandboxWish } from './choice.ts'
import { prepareSandbox, stopOf, type PreparedSandbox } from './prepare.ts'
import { startSandbox } from './server.ts'
import { FeedThreads } from './feed-threads.ts'
import { openFeed, type WalFeed } from './wal-feed.ts'

export interface SandboxRequest extends TargetOptions, RepositoryChoice {
  /** Missing or empty; removed at the end unless `keep`. `newSandboxFolder` of home.ts gives one that a later process cleans up should this one be killed. */
  readonly folder: string
  /** What was found already, and is kept open and leased by who found it: nothing is looked for then. */
  readonly found?: Pick<FoundTarget, 'repository' | 'resolved' | 'manifest'> | undefined
  readonly timeline?: number | undefined
  readonly binaries?: string | undefined
  readonly owner?: string | undefined
  /** Relations that come with their content, of those that are no system catalogs: these are always there. Default: none. */
  readonly wanted?: SandboxWish['wanted'] | undefined
  /** Databases, by oid, whose catalogs are needed. Default: all. Of the others nothing is there, and nobody can connect to them. */
  readonly databases?: SandboxWish['databases'] | undefined
  /** Both, by what the backup holds. */
  readonly choose?: ((manifest: Manifest) => SandboxWish) | undefined
  readonly keep?: boolean | undefined
  /** Told when everything is known and nothing is written yet. */
  readonly onPrepared?: ((prepared: PreparedSandbox & { readonly stop: StopPoint }) => Promise<void>) | undefined
  /** True (default): recovery ends and the server takes writes. False: it waits at the target, for readers only, which is sooner. */
  readonly open?: boolean | undefined
  /** Blocks of wanted files that were bad at the source come as they are. */
  readonly allowCorrupt?: boolean | undefined
  readonly workers?: number | undefined
}

export interface SandboxTools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

export interface SandboxTime {
  readonly step: StepName
  /** Plain bytes that were restored; bytes of WAL that were replayed. */
  readonly bytes: number
  readonly ms: number
}

export interface Sandbox extends AsyncDisposable {
  readonly folder: string
  /** The backup as it was made. */
  readonly manifest: Manifest
  readonly resolved: ResolvedTarget
  /** Superuser's sessions. They load no libraries of the original. */
  connect(database: string): Promise<PrivateSession>
  readonly times: readonly SandboxTime[]
  /** Plain bytes of the files that came. */
  readonly restoredBytes: number
  /** Bytes of extents as the repository stores them. WAL is not among them. */
  readonly fetchedBytes: number
  /** Whether the files of a relation are stubs: its content is then not to be believed. */
  readonly leftOut: (databaseOid: number, filenode: number) => boolean
  /** For who starts its server again, in another way. */
  readonly server: PrivateServer & {
    readonly binaries: PostgresBinaries
    readonly owner: Owner | undefined
    readonly logFile: string
    /** What only replay needs, keys of the repository among it. */
    readonly leftovers: readonly string[]
  }
}

/** More threads than this compete for one disk. */
const MOST_WORKERS = 8

/**
 * Rejects unless the server stands at the target, with everything that was wanted. What then stays behind is the log of a server that failed, beside the folder.
 */
export async function openSandbox(request: SandboxRequest, context: Context, tools: SandboxTools): Promise<Sandbox> {
  tools.report({ phase: 'planning' })
  await using scope = new AsyncDisposableStack()
  const prepared = await prepareSandbox(request, context, tools.signal)
  scope.defer(() => prepared.close())
  const binaries = await binariesFor({
    major: Math.floor(prepared.manifest.postgresVersion / 10_000),
    home: context.home,
    folder: request.binaries,
  })
  const { root } = prepared.layout
  const logFile = `${root}.log`
  await using unfinished = new AsyncDisposableStack()
  const remove = async (): Promise<void> => {
    await endServer({ dataDirectory: root, mode: 'immediate', clock: context.clock, signal: never }).catch(() => {})
    if (!request.keep) await rm(root, { recursive: true, force: true })
  }
  unfinished.defer(remove)
  const stop = await stopOf(prepared, tools.signal)
  await request.onPrepared?.({ ...prepared, stop })
  const marks = [context.clock.monotonic()]
  const lap = (): number => {
    marks.push(context.clock.monotonic())
    return marks.at(-1)! - marks.at(-2)!
  }
  let feed: WalFeed | undefined
  await using feeding = new AsyncDisposableStack()
  const restored = await restoreChosen(prepared, {
    request,
    context,
    stop,
    tools,
    feed: (one) => (feed = feeding.use(one)),
  })
  const fetchMs = lap()
  const server = await startSandbox({
    dataDirectory: root,
    logFile,
    binaries,
    owner: prepared.owner,
    stop,
    manifest: prepared.choice.manifest,
    open: request.open !== false,
    clock: context.clock,
    environment: context.environment,
    signal: AbortSignal.any([tools.signal, feed!.failed]),
    progress: tools.report,
  }).catch((error: unknown) => {
    // Then the server says no more than that its restore_command failed.
    if (feed!.failed.aborted) throw feed!.failed.reason
    throw error
  })
  await feeding.disposeAsync()
  const replayMs = lap()
  unfinished.move()
  const { manifest, resolved, choice } = prepared
  return {
    folder: root,
    manifest,
    resolved,
    connect: (database) => server.connect(database),
    times: [
      { step: 'fetch', bytes: choice.keptBytes, ms: fetchMs },
      { step: 'replay', bytes: Number(stop.lsn - choice.manifest.replayFromLsn), ms: replayMs },
    ],
    restoredBytes: restored.bytes,
    fetchedBytes: restored.fetchedBytes,
    leftOut: (databaseOid, filenode) => choice.leftOut(databaseOid, filenode),
    server: {
      binaries,
      owner: prepared.owner,
      logFile,
      ...server.server,
      leftovers: [...feed!.leftovers, server.hba],
    },
    [Symbol.asyncDispose]: async () => {
      await remove()
      if (!request.keep) await rm(logFile, { force: true })
    },
  }
}

const never = new AbortController().signal
/** That fetch WAL. */
const FEED_THREADS = 2

async function restoreChosen(
  prepared: PreparedSandbox,
  of: {
    request: SandboxRequest
    context: Context
    stop: StopPoint
    tools: SandboxTools
    /** Is given what feeds the server with WAL. */
    feed: (feed: WalFeed) => void
  },
): Promise<RestoreResult> {
  const { repository, resolved, layout, owner, choice } = prepared
  const { manifest } = choice
  const { context, tools } = of
  const port = await freePort()
  const toStop = { manifest, resolved: { ...resolved, stop: of.stop } }
  const plan = {
    ...planOf({ ...toStop, rewrite: true }),
    leftOut: leftOutOf(prepared),
    until: String(lastSegmentLsn(toStop)),
  }
  await using unfed = new AsyncDisposableStack()
  const threads = unfed.use(
    new FeedThreads(
      { seed: repository.readerSeed, plan, owner: owner && { uid: owner.uid, gid: owner.gid } },
      FEED_THREADS,
    ),
  )
  return await restore({
    repository,
    manifest,
    layout,
    owner,
    resume: false,
    durable: false,
    workers: of.request.workers ?? Math.min(availableParallelism(), MOST_WORKERS),
    marker: {
      recovery: timedId(context.clock.now(), context.random),
      warehouse: of.request.warehouse,
      repository: repository.name,
      target: askedText(resolved),
      startedAt: new Date(context.clock.now()).toISOString(),
    },
    configure: async (control) => {
      const feed = await openFeed({
        repository,
        threads,
        resolved,
        plan,
        root: layout.root,
        owner,
        from: { lsn: manifest.replayFromLsn, timeline: manifest.timeline },
        forgets: replayMinimums(control, manifest.settings)['max_prepared_transactions'] === '0',
        clock: context.clock,
        signal: tools.signal,
      })
      unfed.move()
      of.feed(feed)
      const { restoreCommand } = feed
      const recovery = recoverySettings({ restoreCommand, stop: of.stop, timeline: resolved.timeline })
      const preload = librariesForReplay(manifest.settings['shared_preload_libraries'] ?? '')
      const chosen = sandboxSettings(Math.floor(manifest.postgresVersion / 10_000))
      return { recovery, copy: { control, manifest, port, preload, chosen }, chosen: {} }
    },
    clock: context.clock,
    signal: tools.signal,
    progress: tools.report,
  })
}

function leftOutOf({ choice, manifest }: PreparedSandbox): LeftOut | undefined {
  return replaysAll(manifest) ? undefined : packLeftOut(choice.leftOutKeys, choice.leftOutDatabases)
}

/** On top of what makes a copy silent: it need not survive anything, and nothing works in it but us. */
function sandboxSettings(major: number): Settings {
  return {
    listen_addresses: '',
    fsync: 'off',
    full_page_writes: 'off',
    synchronous_commit: 'off',
    autovacuum: 'off',
    jit: 'off',
    restart_after_crash: 'off',
    checkpoint_timeout: '1d',
    wal_recycle: 'off',
    max_parallel_maintenance_workers: '0',
    // A trigger on logging in would act on our sessions.
    ...(major >= 17 ? { event_triggers: 'off' } : {}),
  }
}
