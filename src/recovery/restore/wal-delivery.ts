// How a recovering server gets its WAL: by `wharf wal get` from the repository, or, where the server's user cannot read the repository (it
// belongs to root, say), from a folder of segments that were fetched beforehand.
import { spawn } from 'node:child_process'
import { chown, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { syncFolder } from '../../base/durable.ts'
import type { Progress } from '../../base/operation.ts'
import type { Manifest, Repository } from '../../repository/contract.ts'
import { portableDescriptor } from '../../repository/stores.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { historyName, segmentCeiling, segmentName, segmentStart } from '../../wal/segments.ts'
import { fetchFrom, type FetchPlan } from '../get/fetch.ts'
import { shellQuoted } from '../../base/shell.ts'
import { spoolName } from '../get/ahead/spool.ts'
import type { LeftOut } from '../get/left-out.ts'
import { encodeOptions, optionsFileName, type WalGetOptions } from '../get/options.ts'
import { getErrors as errors } from '../get/errors.ts'
import { knownTimelines } from '../target/commit-index.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import type { Owner } from './owner.ts'
import { missingExit, restoreScript, restoreScriptName } from './restore-script.ts'
import { writeOwned } from './small-files.ts'

export type DeliveryKind = 'repository' | 'staged'

export interface DeliveryParts {
  readonly repository: Repository
  readonly manifest: Manifest
  readonly resolved: ResolvedTarget
  readonly root: string
  readonly owner: Owner | undefined
  readonly rewrite: boolean
  /** Relations of which WAL is not to be replayed. */
  readonly leftOut?: LeftOut | undefined
  /** Where replay begins, if not where the backup does. */
  readonly fromLsn?: Lsn | undefined
  readonly signal: AbortSignal
  readonly progress: (event: Progress) => void
}

export interface Delivery {
  readonly restoreCommand: string
  /** To be removed when the target is reached: they hold keys or copies of WAL. */
  readonly leftovers: readonly string[]
}

/** Folder of staged WAL within the data directory. */
const stagedName = 'wharf-wal'
/** Written last into the staged folder: without it the folder is not whole. */
const stagedMark = 'complete'

const getEntry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../get/main.ts' : '../get/main.js', import.meta.url),
)

/** Decides by trying: the server's user lists the repository with the program that will serve it. */
export async function chooseDelivery(
  repository: Pick<Repository, 'store'>,
  owner: Owner | undefined,
): Promise<DeliveryKind> {
  const { descriptor } = repository.store
  // A bucket is read from anywhere, with credentials that do not run out meanwhile.
  if (descriptor.kind === 's3') return (await portableDescriptor(repository.store)) ? 'repository' : 'staged'
  if (descriptor.kind !== 'file') return 'staged'
  if (!owner) return 'repository'
  return (await runAs(owner, [getEntry, '--probe', descriptor.path])) === 0 ? 'repository' : 'staged'
}

function runAs(owner: Owner, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      uid: owner.uid,
      gid: owner.gid,
      cwd: '/',
      stdio: 'ignore',
      env: { PATH: '/usr/bin:/bin' },
    })
    child.on('error', () => resolve(-1))
    child.on('exit', (code) => resolve(code ?? -1))
  })
}

export async function prepareDelivery(kind: DeliveryKind, parts: DeliveryParts): Promise<Delivery> {
  return kind === 'repository' ? await fromRepository(parts) : await fromFolder(parts)
}

/** Facts for `wal get`, the part of WAL that is known to be there among them. */
export function planOf({
  manifest,
  resolved,
  rewrite,
}: Pick<DeliveryParts, 'manifest' | 'resolved' | 'rewrite'>): FetchPlan {
  const { walSegmentBytes } = manifest
  const known = resolved.history.spans.flatMap((span) =>
    resolved.history.ranges
      .filter((range) => range.timeline === span.timeline)
      .map((range) => {
        const from = range.startLsn > span.startLsn ? range.startLsn : segmentStart(span.startLsn, walSegmentBytes)
        const lastLsn = span.endLsn !== undefined && span.endLsn < range.endLsn ? span.endLsn : range.endLsn
        const to = lastLsn < resolved.reach.endLsn ? lastLsn : resolved.reach.endLsn
        // A segment that begins within the range counts: of the first one only if it is there from its first byte.
        return { timeline: span.timeline, from: String(segmentCeiling(from, walSegmentBytes)), to: String(to) }
      }),
  )
  return {
    systemIdentifier: String(manifest.systemIdentifier),
    postgresVersion: manifest.postgresVersion,
    walSegmentBytes,
    rewrite,
    switches: resolved.history.spans.slice(1).map((span) => ({ timeline: span.timeline, at: String(span.startLsn) })),
    known,
  }
}

async function fromRepository(parts: DeliveryParts): Promise<Delivery> {
  const file = join(parts.root, optionsFileName)
  const { store, readerSeed } = parts.repository
  const descriptor = (await portableDescriptor(store)) ?? store.descriptor
  const options: WalGetOptions = {
    version: 1,
    seed: { ...readerSeed, store: descriptor },
    ...planOf(parts),
    leftOut: parts.leftOut,
    until: String(lastSegmentLsn(parts)),
  }
  await writeOwned(file, encodeOptions(options), parts.owner)
  const script = join(parts.root, restoreScriptName)
  await writeOwned(script, restoreScript([process.execPath, getEntry, '--options', file]), parts.owner)
  // A shell or Node itself ends with 1, 2 or 127 when it cannot run what it is given, which must not look like the end of WAL: our "missing" is another.
  const restoreCommand = `/bin/sh ${quote(script)} %f "%p"; case $? in 0) exit 0 ;; ${missingExit}) exit 1 ;; *) exit 200 ;; esac`
  return { restoreCommand, leftovers: [file, script, join(parts.root, spoolName)] }
}

/** For a shell, and for PostgreSQL, to which `%` means something. */
export function quote(text: string): string {
  return shellQuoted(text).replaceAll('%', '%%')
}

async function fromFolder(parts: DeliveryParts): Promise<Delivery> {
  const folder = join(parts.root, stagedName)
  await mkdir(folder, { mode: 0o700 })
  if (parts.owner) await chown(folder, parts.owner.uid, parts.owner.gid)
  await stage(folder, parts)
  await writeOwned(join(folder, stagedMark), '', parts.owner)
  await syncFolder(folder)
  const at = quote(folder)
  const restoreCommand = `test -f ${at}/${stagedMark} || exit 200; test -f ${at}/%f || exit 1; cp ${at}/%f "%p" || exit 200`
  return { restoreCommand, leftovers: [folder] }
}

/** The last segment of which replay needs a byte: one more than the target's, since the record there may cross its end. */
export function lastSegmentLsn(parts: Pick<DeliveryParts, 'manifest' | 'resolved'>): Lsn {
  const { walSegmentBytes } = parts.manifest
  const { stop, reach } = parts.resolved
  if (stop.kind === 'end') return reach.endLsn
  const enough = segmentCeiling(stop.lsn, walSegmentBytes) + BigInt(walSegmentBytes)
  return enough < reach.endLsn ? enough : reach.endLsn
}

async function stage(folder: string, parts: DeliveryParts): Promise<void> {
  const { repository, manifest, resolved, owner, signal } = parts
  const plan = { ...planOf(parts), leftOut: parts.leftOut }
  const size = BigInt(manifest.walSegmentBytes)
  const endLsn = lastSegmentLsn(parts)
  const first = segmentStart(parts.fromLsn ?? manifest.replayFromLsn, manifest.walSegmentBytes)
  for (let startLsn = first; startLsn < endLsn; startLsn += size) {
    signal.throwIfAborted()
    parts.progress({
      phase: 'fetching WAL',
      done: Number(startLsn - first),
      total: Number(endLsn - first),
      unit: 'bytes',
    })
    let found = false
    // At a switch of timelines a segment may exist on both: PostgreSQL asks for the newest first.
    for (const span of resolved.history.spans) {
      if (span.startLsn >= startLsn + size || (span.endLsn !== undefined && span.endLsn < startLsn)) continue
      const name = segmentName(span.timeline, startLsn, manifest.walSegmentBytes)
      const bytes = await fetchFrom(repository.wal, name, plan)
      if (!bytes) continue
      found = true
      await writeOwned(join(folder, name), bytes, owner)
    }
    if (!found)
      throw errors.walUnavailable({
        segment: segmentName(manifest.timeline, startLsn, manifest.walSegmentBytes),
        why: 'the repository does not have it any more',
      })
  }
  await layHistories(folder, { ...parts, systemIdentifier: manifest.systemIdentifier, timeline: manifest.timeline })
}

/** Newer ones than the target's too, also of timelines that have no WAL yet: the server counts up to the first one that is missing and makes it its own. */
export async function layHistories(
  folder: string,
  parts: {
    readonly repository: Pick<Repository, 'wal'>
    readonly resolved: Pick<ResolvedTarget, 'history'>
    readonly systemIdentifier: bigint
    /** Of the backup. */
    readonly timeline: number
    readonly owner: Owner | undefined
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { repository, resolved, owner, signal } = parts
  const last = Math.max(parts.timeline, ...knownTimelines(resolved.history.ranges))
  for (let timeline = 2; ; timeline++) {
    const content = await repository.wal.history(parts.systemIdentifier, timeline, signal)
    if (content !== undefined) await writeOwned(join(folder, historyName(timeline)), content, owner)
    else if (timeline > last) return
  }
}
