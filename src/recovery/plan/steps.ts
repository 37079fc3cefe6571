// The steps of a whole recovery with the time that each is predicted to take. What a plan says here is what its record is scored against.
import { MIB } from '../../base/units.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { estimateStep, type StepEstimate } from '../rates/model.ts'
import type { Question } from '../rates/samples.ts'
import type { StepName } from '../rates/times.ts'
import { mixText, type WalMix } from '../rates/wal-mix.ts'
import type { Manifest } from '../../repository/contract.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { filesToRestore } from '../restore/distribute.ts'
import type { PlanParts } from './plan.ts'

export type PlanStep = Omit<StepEstimate, 'bytesPerSecond'> & { readonly what: string }

/** What a checkpoint at the end finds unwritten at most: about the default shared_buffers. */
const MOST_DIRTY_BYTES = 128 * MIB

interface StepSize {
  readonly bytes: number
  readonly count?: number
  readonly kind?: string
  readonly wal?: WalMix | undefined
}

export function questionOf(
  parts: Pick<PlanParts, 'records' | 'warehouse' | 'repository' | 'machine' | 'way'>,
): Question {
  const { records, warehouse, repository, machine, way } = parts
  return { records, warehouse, repository, machine, way }
}

/** How much there is to be done: of the chosen backup, or of another that is compared with it. */
export interface RecoverySize {
  readonly bytes: number
  readonly count: number
  readonly walBytes: number
  /** What that consists of; undefined where nobody knows. */
  readonly wal: WalMix | undefined
}

/** Where WAL comes from while it is replayed: what was laid into the directory beforehand only has to be read. */
function replayKind(delivery: PlanParts['delivery']): string {
  return delivery === 'staged' ? 'local' : delivery
}

export function replayText(
  { replayFromLsn }: Pick<Manifest, 'replayFromLsn'>,
  { stop }: Pick<ResolvedTarget, 'stop'>,
  size: { bytes: number; wal: WalMix | undefined },
): string {
  return `replay WAL from ${formatLsn(replayFromLsn)} to ${formatLsn(stop.lsn)}${mixText(size)}`
}

export function stepsOf(parts: PlanParts): readonly PlanStep[] {
  const { manifest, resolved } = parts
  const files = filesToRestore(manifest)
  return sizedSteps(parts, {
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    count: files.length,
    walBytes: Number(resolved.stop.lsn - manifest.replayFromLsn),
    wal: parts.survey?.between(manifest.replayFromLsn, resolved.stop.lsn),
  })
}

export function sizedSteps(parts: PlanParts, { bytes, count, walBytes, wal }: RecoverySize): readonly PlanStep[] {
  const { manifest, resolved, verify } = parts
  const step = (name: StepName, what: string, size: StepSize): PlanStep => {
    const { bytesPerSecond: _, ...rest } = estimateStep(name, size.bytes, { ...questionOf(parts), ...size })
    return { ...rest, what }
  }
  const restored = [
    step('list', `read the manifest of backup ${manifest.id} and what WAL there is`, { bytes: 0, count }),
    parts.place
      ? step('read-target', `compare ${manifest.files.length} files with backup ${manifest.id}, write what differs`, {
          bytes,
          count,
        })
      : step('fetch', `restore ${manifest.files.length} files of backup ${manifest.id}`, { bytes, count }),
    step('sync', 'make the files durable', { bytes, count }),
    ...(parts.delivery === 'staged'
      ? [step('fetch-wal', 'fetch all WAL, which the server could not read in the repository', { bytes: walBytes })]
      : []),
  ]
  if (!parts.start) return restored
  return [
    ...restored,
    step('replay', replayText(manifest, resolved, { bytes: walBytes, wal }), {
      bytes: walBytes,
      kind: replayKind(parts.delivery),
      wal,
    }),
    step('verify', `verify (${verify})`, { bytes: verify === 'connect' ? 0 : bytes, count, kind: verify }),
    step('checkpoint', 'write out what replay has changed', { bytes: Math.min(walBytes, MOST_DIRTY_BYTES) }),
    // A drill's server is never opened.
    ...(parts.way === 'drill' ? [] : [step('start', 'start the server', { bytes: 0 })]),
  ]
}
