// `recover run --follow`: a warm standby that is fed from the repository alone, until somebody cuts over.
//
//   restored or found ─▶ standby.signal, feed ─▶ replays whatever comes ─ cut-over ─▶ stopped at the repository's end ─▶ replayed, proven, opened as any copy
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import type { Context } from '../../base/room.ts'
import { messageOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import { identityOf } from '../../base/process-identity.ts'
import { formatSize } from '../../base/units.ts'
import { parseControlFile } from '../../wal/control-file.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { endServer, serverRuns } from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { followErrors } from './errors.ts'
import { endOfWal, type PreparedRecovery } from '../plan/prepare.ts'
import { readMarker, writeMarker, type Marker } from '../restore/marker.ts'
import { recoverySettings, withRecovery, type Settings } from '../restore/settings.ts'
import { writeOwned } from '../restore/small-files.ts'
import { refuseHeld } from '../restore/unfinished.ts'
import { planOf, prepareDelivery, type Delivery } from '../restore/wal-delivery.ts'
import type { PostgresBinaries } from '../../warehouse/servers.ts'
import { Feed, feedCommand, feedName } from './feed.ts'
import { endRequest, isAskedFor } from './request.ts'
import { startStandby, type Standby, type StandbyState } from './standby.ts'

export interface FollowParts {
  /** Of the backup that lies in the directory; found anew before the end. */
  readonly prepared: PreparedRecovery
  readonly binaries: PostgresBinaries
  readonly port: number
  readonly readable: boolean
  readonly context: Context
  readonly signal: AbortSignal
  readonly report: (event: Progress) => void
  /** What the repository holds now, of the same backup. */
  readonly findAgain: () => Promise<PreparedRecovery>
}

/** What is left to do by whoever replays to the end, proves and opens. */
export interface CutOver {
  readonly prepared: PreparedRecovery
  readonly delivery: Delivery
  readonly fromLsn: Lsn
  readonly lastRecordEnd: Lsn | undefined
}

const LOOK_MS = 1000

/** Resolves when a cut-over was asked for: the server is stopped then, and set up to replay to the end of WAL. Rejects when cancelled; the server is stopped. */
export async function follow(parts: FollowParts): Promise<CutOver> {
  const { prepared, context, signal } = parts
  const { root } = prepared.layout
  const marker = await claim(root, { clock: context.clock, signal })
  if (await serverRuns(root)) await stop(parts)
  await endRequest(root)
  await setUp(prepared)
  const fromLsn = await replayStart(prepared)
  const feed = new Feed({
    repository: prepared.repository,
    root,
    owner: prepared.owner,
    plan: planOf(prepared),
    timeline: prepared.manifest.timeline,
    fromLsn,
    clock: context.clock,
    signal,
  })
  await feed.open()
  try {
    const standby = await startFed(parts, feed)
    await untilAsked(parts, feed, standby)
    return await prepareEnd(parts, { feed, standby })
  } catch (error) {
    await stop(parts).catch(() => {})
    await release(root, marker)
    if (!signal.aborted) await endRequest(root, messageOf(error))
    throw error
  } finally {
    context.log.debug({ directory: root }, 'following ended')
  }
}

/** Whether the directory follows already, or was restored to; undefined: nothing of the kind. Rejects where it has been opened. */
export async function followedBefore(directory: string, warehouse: string): Promise<Marker | undefined> {
  const root = resolve(directory)
  const marker = await readMarker(root)
  if (marker?.state !== 'following' && marker?.state !== 'restored') return undefined
  const signals = ['standby.signal', 'recovery.signal'].filter((name) => existsSync(join(root, name)))
  if (marker.state === 'restored' && !signals.includes('standby.signal')) return undefined
  if (marker.warehouse !== warehouse)
    throw errors.foreignOperation({ directory: root, what: `a standby of warehouse "${marker.warehouse}"` })
  refuseHeld(root, marker)
  if (signals.length === 0) throw followErrors.openedAlready(root)
  return marker
}

/** Settings and signal of a standby, also where a cut-over was begun and not ended. */
async function setUp({ layout, owner }: PreparedRecovery): Promise<void> {
  const { root } = layout
  const auto = join(root, 'postgresql.auto.conf')
  await writeOwned(auto, withRecovery(await readFile(auto, 'utf8'), followSettings(root)), owner)
  await writeOwned(join(root, 'standby.signal'), '', owner)
  await rm(join(root, 'recovery.signal'), { force: true })
}

/** Whatever timeline the warehouse goes on with is followed. */
export function followSettings(root: string): Settings {
  const none = recoverySettings({ restoreCommand: feedCommand(root), stop: { kind: 'end', lsn: 0n }, timeline: 1 })
  return { ...none, recovery_target_timeline: 'latest', recovery_target_action: 'pause' }
}

/** Of two that claim a standby at once the last one has it, and the first one sees that by then. */
const CLAIM_MS = 200

/** Only one process feeds a standby. It was looked at before; planning has taken a while since then. */
async function claim(root: string, { clock, signal }: { clock: Clock; signal: AbortSignal }): Promise<Marker> {
  const marker = (await readMarker(root))!
  refuseHeld(root, marker)
  const holder = { host: hostname(), process: identityOf(process.pid) }
  const claimed: Marker = { ...marker, state: 'following', holder }
  await writeMarker(root, claimed)
  await clock.sleep(CLAIM_MS, signal)
  const now = await readMarker(root)
  if (now) refuseHeld(root, now)
  return claimed
}

async function release(root: string, marker: Marker): Promise<void> {
  const { holder: _gone, ...rest } = marker
  await writeMarker(root, rest)
}

/** Where its last restartpoint was; before it ran at all, where the backup began. */
async function replayStart({ layout, manifest }: PreparedRecovery): Promise<Lsn> {
  const label = await readFile(join(layout.root, 'backup_label'), 'utf8').catch(() => undefined)
  if (label !== undefined) return manifest.replayFromLsn
  return parseControlFile(await readFile(join(layout.root, 'global', 'pg_control'))).redoLsn
}

/** It becomes consistent by what is fed meanwhile. */
async function startFed(parts: FollowParts, feed: Feed): Promise<Standby> {
  const { prepared, context, signal, report } = parts
  report({ phase: 'starting', note: 'until the data is consistent' })
  const ended = new AbortController()
  const feeding = (async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await feed.look()
      if (feed.away !== undefined) report({ phase: 'starting', note: awayText(feed) })
      await context.clock.sleep(100, AbortSignal.any([ended.signal, signal])).catch(() => {})
      signal.throwIfAborted()
    }
  })()
  const givenUp = new AbortController()
  const starting = startStandby({
    dataDirectory: prepared.layout.root,
    binaries: parts.binaries,
    owner: prepared.owner,
    manifest: prepared.manifest,
    readable: parts.readable,
    port: parts.port,
    clock: context.clock,
    environment: context.environment,
    signal: AbortSignal.any([givenUp.signal, signal]),
  })
  try {
    const first = await Promise.race([starting, feeding.then(() => starting)])
    ended.abort()
    await feeding
    return first
  } catch (error) {
    // Without WAL it would never be consistent. Whoever stops the server next must find it, or know that there is none.
    ended.abort()
    givenUp.abort()
    await Promise.allSettled([starting, feeding])
    throw error
  }
}

async function untilAsked(parts: FollowParts, feed: Feed, standby: Standby): Promise<void> {
  const { prepared, context, signal, report } = parts
  let last = ''
  for (;;) {
    signal.throwIfAborted()
    if (await isAskedFor(prepared.layout.root)) return
    const any = await feed.look()
    const state = await standby.state()
    const note = [lagText({ ...state, endLsn: feed.endLsn }), silentText(state), awayText(feed)]
      .filter(Boolean)
      .join('; ')
    if (note !== last) report({ phase: 'following', note })
    last = note
    await context.clock.sleep(any ? 100 : LOOK_MS, signal)
  }
}

function lagText(at: { replayed: Lsn; endLsn: Lsn; lastAt: string | undefined }): string {
  const behind = at.endLsn > at.replayed ? at.endLsn - at.replayed : 0n
  const when = at.lastAt === undefined ? 'no transaction yet' : `last transaction of ${at.lastAt}`
  return `replayed to ${formatLsn(at.replayed)}, ${formatSize(behind)} behind the repository's end at ${formatLsn(at.endLsn)}, ${when}`
}

function silentText({ silent }: StandbyState): string {
  return silent === undefined ? '' : `the standby runs, but does not answer: ${silent}`
}

function awayText({ away }: Feed): string {
  return away === undefined ? '' : `the repository is asked again: ${away}`
}

/** Everything that the repository holds by now is replayed by the standby first, so that the doors are closed shortly. */
async function prepareEnd(parts: FollowParts, by: { feed: Feed; standby: Standby }): Promise<CutOver> {
  const { context, signal, report } = parts
  const prepared = await parts.findAgain()
  const { layout, owner, repository, manifest, resolved, rewrite } = prepared
  const lastRecordEnd = await endOfWal(prepared, signal)
  for (let turn = 0; ; turn++) {
    const any = await by.feed.look(turn === 0)
    const { replayed } = await by.standby.state()
    report({ phase: 'catching up', note: `replayed to ${formatLsn(replayed)} of ${formatLsn(lastRecordEnd ?? 0n)}` })
    // A record that only the strict replay below can tell from none may be left.
    if (lastRecordEnd === undefined || replayed >= lastRecordEnd || !any) break
    await context.clock.sleep(100, signal)
  }
  await stop(parts)
  const { root } = layout
  await rm(join(root, feedName), { recursive: true, force: true })
  const fromLsn = await replayStart(prepared)
  const delivery = await prepareDelivery(prepared.delivery, {
    repository,
    manifest,
    resolved,
    root,
    owner,
    rewrite,
    fromLsn,
    signal,
    progress: report,
  })
  const settings = recoverySettings({
    restoreCommand: delivery.restoreCommand,
    stop: resolved.stop,
    timeline: resolved.timeline,
  })
  const auto = join(root, 'postgresql.auto.conf')
  await writeOwned(auto, withRecovery(await readFile(auto, 'utf8'), settings), owner)
  await writeOwned(join(root, 'recovery.signal'), '', owner)
  await rm(join(root, 'standby.signal'), { force: true })
  return { prepared, delivery, fromLsn, lastRecordEnd }
}

async function stop({ prepared, context }: FollowParts): Promise<void> {
  // Also after a cancellation.
  const signal = new AbortController().signal
  await endServer({ dataDirectory: prepared.layout.root, mode: 'fast', clock: context.clock, signal })
}
