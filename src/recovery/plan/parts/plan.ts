// The plan of a recovery of part of a warehouse, through a sandbox: what `recover plan` shows beforehand, and the way itself when it begins.
import { formatSize } from '../../../base/units.ts'
import type { BackupSummary, Manifest, MappedRelation } from '../../../repository/contract.ts'
import { estimateStep, total, type Total } from '../../rates/model.ts'
import type { Question } from '../../rates/samples.ts'
import type { StepName, StepTime } from '../../rates/times.ts'
import type { WalMix } from '../../rates/wal-mix.ts'
import { surveyWal, type WalSurvey } from '../../rates/wal-survey.ts'
import { isCatalog, keeps, type SandboxChoice, type SandboxWish } from '../../sandbox/choice.ts'
import type { PreparedSandbox } from '../../sandbox/prepare.ts'
import { keyOfPath } from '../../server/scratch.ts'
import type { ResolvedTarget, StopPoint } from '../../target/resolve.ts'
import { whyNotNewest } from '../alternatives.ts'
import { lossOf, type Loss } from '../loss.ts'
import { uncountedNotes } from '../loss-text.ts'
import { backupOf, targetOf, type RecoveryPlan } from '../plan.ts'
import type { SpaceNeed } from '../space.ts'
import { replayText, type PlanStep } from '../steps.ts'

export const partWays = ['table', 'database', 'block', 'loads'] as const
export type PartWay = (typeof partWays)[number]

export interface PartPlan {
  readonly way: PartWay
  readonly warehouse: string
  readonly repository: string
  /** What is brought back, by name. */
  readonly what: readonly string[]
  readonly backup: RecoveryPlan['backup']
  readonly target: RecoveryPlan['target']
  /** What is read: plain bytes of files, bytes of WAL. */
  readonly size: {
    readonly files: number
    readonly wantedBytes: number
    readonly catalogBytes: number
    readonly walBytes: number
  }
  readonly steps: readonly PlanStep[]
  readonly time: Total
  /** Where the sandbox lies meanwhile. */
  readonly space: readonly SpaceNeed[]
  /** What will be done on the live server. */
  readonly live: readonly string[]
  /** What it does not bring back. */
  readonly lost: Loss
  /** Why this backup; undefined where others were not looked at. */
  readonly because?: string
  readonly notes: readonly string[]
}

/** Plain bytes and numbers of what a wish brings that is no catalog. */
export interface WantedSize {
  readonly tables: number
  readonly tableBytes: number
  readonly indexes: number
  readonly bytes: number
}

/** A file that has two names in the map is counted once. */
export function wantedSize(manifest: Pick<Manifest, 'files' | 'relations'>, wanted: SandboxWish['wanted']): WantedSize {
  const found = new Map<string, MappedRelation>()
  for (const one of manifest.relations) {
    const { tablespace, database, relfilenode } = one.file
    if (database !== 0 && !isCatalog(one) && wanted(one)) found.set(`${tablespace}/${database}/${relfilenode}`, one)
  }
  let [bytes, tableBytes] = [0, 0]
  for (const file of manifest.files) {
    const relation = file.kind === 'segment' ? found.get(keyOfPath(file.path) ?? '') : undefined
    if (relation === undefined) continue
    bytes += file.bytes
    if (relation.kind !== 'i' && relation.kind !== 'S') tableBytes += file.bytes
  }
  const count = (test: (one: MappedRelation) => boolean): number => [...found.values()].filter(test).length
  return {
    bytes,
    tableBytes,
    tables: count((one) => one.kind === 'r'),
    indexes: count((one) => one.kind === 'i' && one.schema !== 'pg_toast'),
  }
}

export interface PartParts {
  readonly way: PartWay
  readonly what: readonly string[]
  readonly repository: string
  readonly manifest: Manifest
  readonly choice: SandboxChoice
  readonly wanted: SandboxWish['wanted']
  readonly resolved: ResolvedTarget
  readonly stop: StopPoint
  readonly space: readonly SpaceNeed[]
  readonly live: readonly string[]
  readonly notes: readonly string[]
  /** What the WAL consists of. */
  readonly survey: WalSurvey
  /** Other backups that lead to the target, newest first, where they were looked for. */
  readonly others?: readonly BackupSummary[]
  /** Whether the chosen one was named. */
  readonly backupAsked?: boolean
  /** For the time model. */
  readonly asked: Question
  /** What follows the sandbox, by what it has to do. */
  readonly after: (size: WantedSize) => readonly StepWish[]
}

export interface StepWish {
  readonly step: StepName
  readonly what: string
  readonly bytes: number
  readonly count?: number
  readonly wal?: WalMix | undefined
}

/** Rows into the live server, indexes on them, the last transaction. */
export function stepsOfTables({ tables, tableBytes, indexes }: WantedSize): readonly StepWish[] {
  const of = (count: number, one: string, more: string): string => `${count} ${count === 1 ? one : more}`
  return [
    { step: 'copy-rows', what: `copy the rows of ${of(tables, 'table', 'tables')}`, bytes: tableBytes, count: tables },
    {
      step: 'build-indexes',
      what: `build ${of(indexes, 'index', 'indexes')} and everything else`,
      bytes: tableBytes,
      count: indexes,
    },
    { step: 'swap', what: 'put everything in its place', bytes: 0, count: 1 },
  ]
}

export async function makePartPlan(parts: PartParts, signal: AbortSignal): Promise<PartPlan> {
  const { manifest, choice, resolved, stop, asked } = parts
  const size = wantedSize(manifest, parts.wanted)
  const lost = await lossOf(withoutOthers(parts), resolved, signal)
  const walBytes = Number(stop.lsn - choice.manifest.replayFromLsn)
  const wal = parts.survey.between(choice.manifest.replayFromLsn, stop.lsn, keeps(choice))
  const files = choice.manifest.files.length
  const wishes: readonly StepWish[] = [
    { step: 'fetch', what: `restore ${files} files of backup ${manifest.id} into a sandbox`, bytes: choice.keptBytes },
    {
      step: 'replay',
      what: replayText(choice.manifest, { stop }, { bytes: walBytes, wal }),
      bytes: walBytes,
      wal,
    },
    ...parts.after(size),
  ]
  const steps = wishes.map(({ step, what, bytes, count, wal }): PlanStep => {
    const { bytesPerSecond: _, ...rest } = estimateStep(step, bytes, {
      ...asked,
      count,
      wal,
    })
    return { ...rest, what }
  })
  return {
    way: parts.way,
    warehouse: asked.warehouse,
    repository: parts.repository,
    what: parts.what,
    backup: backupOf(manifest),
    target: targetOf(resolved),
    size: { files, wantedBytes: size.bytes, catalogBytes: choice.keptBytes - size.bytes, walBytes },
    steps,
    time: total(steps, asked),
    space: parts.space,
    live: parts.live,
    lost,
    ...(parts.others === undefined
      ? {}
      : { because: whyOfOthers({ ...manifest, asked: parts.backupAsked === true }, parts.others) }),
    notes: [...parts.notes, ...uncountedNotes(lost)],
  }
}

export function surveyFor(
  { repository, resolved, choice }: Pick<PreparedSandbox, 'repository' | 'resolved' | 'choice'>,
  signal: AbortSignal,
): Promise<WalSurvey> {
  const [fromLsn, toLsn] = [choice.manifest.replayFromLsn, resolved.stop.lsn]
  return surveyWal({ wal: repository.wal, chunks: resolved.history.chunks, fromLsn, toLsn, signal })
}

/** How long the others would take is not said: what they hold of the part stands in their manifests. */
export function whyOfOthers(
  chosen: Pick<Manifest, 'id' | 'finishedMs' | 'replayFromLsn'> & { readonly asked: boolean },
  others: readonly Pick<BackupSummary, 'id' | 'finishedMs' | 'replayFromLsn'>[],
): string {
  const [next] = others
  if (next === undefined) return `no other backup leads to the target than ${chosen.id}`
  if (next.finishedMs > chosen.finishedMs) return whyNotNewest(chosen)
  const more = chosen.replayFromLsn - next.replayFromLsn
  const compared = more > 0n ? `; with the one before, ${next.id}, ${formatSize(more)} more of WAL would be read` : ''
  return `backup ${chosen.id} is chosen: the newest of ${others.length + 1} that lead to the target${compared}`
}

/** What others lose is nothing that this recovery does. */
function withoutOthers({ manifest, wanted }: PartParts): Manifest {
  const relations = manifest.relations.filter((one) => one.file.database !== 0 && wanted(one))
  const keys = new Set(relations.map(({ file }) => `${file.tablespace}/${file.database}/${file.relfilenode}`))
  const isWanted = (path: string): boolean => keys.has(keyOfPath(path) ?? '')
  const scratch = manifest.scratch.filter((one) => isWanted(one.path))
  return {
    ...manifest,
    relations,
    scratch,
    unlogged: manifest.unlogged.filter((one) => isWanted(one.path)),
    corrupt: manifest.corrupt.filter((one) => isWanted(one.file)),
    statistics: { ...manifest.statistics, skippedScratchBytes: scratch.reduce((sum, one) => sum + one.bytes, 0) },
  }
}

/** Measured times with what the plan said of them: each prediction is scored once, where a second sandbox was needed against the first. */
export function withPredicted(
  times: readonly StepTime[],
  plan: Pick<PartPlan, 'steps'> | undefined,
): readonly StepTime[] {
  const left = new Map((plan?.steps ?? []).map((one) => [one.step, one]))
  return times.map((time) => {
    const planned = left.get(time.step)
    if (!planned || time.predicted) return time
    left.delete(time.step)
    const { expectedMs, lowMs, highMs, basis, wal } = planned
    return { ...time, ...(wal === undefined ? {} : { wal }), predicted: { expectedMs, lowMs, highMs, basis } }
  })
}
