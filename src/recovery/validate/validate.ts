// RMAN's RESTORE VALIDATE: reads and authenticates everything that a recovery to a target needs, writes nothing, and says what is damaged and what that means.
import { availableParallelism } from 'node:os'

import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import type { Manifest } from '../../repository/contract.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { segmentStart } from '../../wal/segments.ts'
import { findTarget, type FoundTarget, type TargetChoice } from '../plan/find-target.ts'
import { nameCorrupt } from '../plan/loss.ts'
import { askedText } from '../plan/plan.ts'
import { extentsOf, filesToRestore } from '../restore/distribute.ts'
import type { AuthenticateTask } from '../restore/messages.ts'
import { RestorePool } from '../restore/pool.ts'
import { lastSegmentLsn } from '../restore/wal-delivery.ts'
import { describeDamage, relationOf, spared, type FileDamage } from './damage.ts'
import { decodeDamage, type DamagedExtent } from './messages.ts'

export interface Validation {
  readonly warehouse: string
  readonly repository: string
  readonly backup: string
  readonly target: string
  readonly read: { readonly files: number; readonly bytes: number; readonly chunks: number; readonly walBytes: number }
  readonly damagedFiles: readonly FileDamage[]
  readonly damagedWal: readonly {
    readonly object: string
    readonly from: string
    readonly to: string
    readonly why: string
  }[]
  /** Blocks that were bad at the source and are stored as they were. */
  readonly badAtSource: readonly string[]
  /** What it means, in sentences. Empty where all is well. */
  readonly consequences: readonly string[]
  readonly durationMs: number
}

interface Tools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

export interface ValidateRequest extends TargetChoice {
  readonly workers?: number | undefined
}

const MOST_WORKERS = 8

export async function validate(request: ValidateRequest, context: Context, tools: Tools): Promise<Validation> {
  const started = context.clock.monotonic()
  tools.report({ phase: 'planning' })
  const found = await findTarget(request, context, { leased: true, signal: tools.signal })
  try {
    const workers = request.workers ?? Math.min(availableParallelism(), MOST_WORKERS)
    const files = await readFiles(found, workers, tools)
    const wal = await readWal(found, tools)
    const { manifest, resolved, repository } = found
    const damagedFiles = filesOf(files.damage, manifest)
    return {
      warehouse: request.warehouse,
      repository: repository.name,
      backup: manifest.id,
      target: askedText(resolved),
      read: { files: files.files, bytes: files.bytes, chunks: wal.chunks, walBytes: wal.bytes },
      damagedFiles,
      damagedWal: wal.damaged,
      badAtSource: manifest.corrupt.map((one) => nameCorrupt(one, manifest)),
      consequences: await consequencesOf({ found, damage: files.damage, damagedFiles, wal: wal.damaged }, tools.signal),
      durationMs: context.clock.monotonic() - started,
    }
  } finally {
    await found.close()
  }
}

async function readFiles(
  { repository, manifest }: FoundTarget,
  workers: number,
  { report, signal }: Tools,
): Promise<{ files: number; bytes: number; damage: readonly DamagedExtent[] }> {
  const files = filesToRestore(manifest)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const damage: DamagedExtent[] = []
  await using pool = new RestorePool({ seed: repository.readerSeed, backup: manifest.id, workers })
  const layout = { root: '/', tablespaces: [] }
  const tasks = async function* (): AsyncGenerator<AuthenticateTask> {
    const extents = extentsOf({
      repository,
      manifest,
      layout,
      signal,
      onDamaged: (file, error) =>
        damage.push({ file: file.path, blocks: undefined, pack: '', extent: 0, why: error.message }),
    })
    for await (const task of extents) {
      report({ phase: 'reading', done: Math.min(pool.doneBytes, bytes), total: bytes, unit: 'bytes' })
      yield { type: 'authenticate', ...task }
    }
  }
  for (const line of await pool.perform(tasks(), signal)) damage.push(decodeDamage(line))
  return { files: files.length, bytes, damage }
}

/** Chunk by chunk, each proven whole; a damaged one of which a sound copy or replacement is there is sound. */
async function readWal(
  { repository, resolved, manifest }: FoundTarget,
  { report, signal }: Tools,
): Promise<{ chunks: number; bytes: number; damaged: Validation['damagedWal'] }> {
  const from = segmentStart(manifest.replayFromLsn, manifest.walSegmentBytes)
  const to = lastSegmentLsn({ manifest, resolved })
  const needed = resolved.history.chunks.filter((one) => one.toLsn > from && one.fromLsn < to)
  const damaged: { object: string; from: string; to: string; why: string }[] = []
  let bytes = 0
  for (const [at, { info }] of needed.entries()) {
    signal.throwIfAborted()
    report({ phase: 'reading WAL', done: at, total: needed.length, unit: 'count' })
    try {
      bytes += (await repository.wal.read(info, signal)).bytes.length
    } catch (error) {
      if (!isWharfError(error) || error.exit !== 'damaged') throw error
      const { object, startLsn, endLsn } = info
      damaged.push({ object, from: formatLsn(startLsn), to: formatLsn(endLsn), why: messageOf(error) })
    }
  }
  return { chunks: needed.length, bytes, damaged }
}

function filesOf(damage: readonly DamagedExtent[], manifest: Manifest): readonly FileDamage[] {
  const byFile = Map.groupBy(damage, (one) => one.file)
  return [...byFile].map(([file, list]) => describeDamage(file, list, relationOf(file, manifest)))
}

async function consequencesOf(
  parts: {
    found: FoundTarget
    damage: readonly DamagedExtent[]
    damagedFiles: readonly FileDamage[]
    wal: Validation['damagedWal']
  },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { found, damage, damagedFiles, wal } = parts
  const lines: string[] = []
  if (damagedFiles.length > 0) {
    lines.push(`backup ${found.manifest.id} cannot be restored as it is: a restore stops at the first of these files`)
    const others = await spared(found, new Set(damage.map((one) => one.pack)), signal)
    lines.push(
      others.length > 0
        ? `none of these packs is needed by backup ${others.join(', ')}: recover with --backup from the newest of them that ends before the target, once it is validated`
        : 'every other backup needs one of these packs: bring them back from a copy of the repository, then run wharf repository check',
    )
  }
  if (wal.length > 0)
    lines.push(
      `replay ends before ${wal[0]!.from}: nothing behind it can be reached, from this backup or from an older one`,
    )
  return lines
}
