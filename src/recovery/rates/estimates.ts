// How long a recovery would take now, for those who watch: the newest backup, the WAL since, and what recoveries and drills have taught.
import type { Context } from '../../base/room.ts'
import { MINUTE_MS } from '../../base/units.ts'
import { repositories, type BackupSummary, type Repository } from '../../repository/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'
import type { RecoveryEstimate, RecoveryEstimates, TierEstimate } from '../contract.ts'
import { drillStandingOf, lastProofOf } from './proofs.ts'
import { criticalSteps, criticalTime, inTurn } from './critical-steps.ts'
import { estimateStep, total, type StepEstimate, type Total } from './model.ts'
import type { Question } from './samples.ts'
import { tierSizes, type TierSizes } from './tier-sizes.ts'
import { readRecords } from './times.ts'
import { scaled, type WalMix } from './wal-mix.ts'
import { surveyWal } from './wal-survey.ts'

/** Asked every few seconds, and the mix of a day's WAL does not change in minutes. */
const MIX_LASTS_MS = 10 * MINUTE_MS
/** Chunks whose indexes are read for that. */
const FEW = 12

/** Manifests are large and never change: of those last asked for the sizes are kept. */
const mostKept = 16

export function buildEstimates(context: Context): RecoveryEstimates {
  const sizes = new Map<string, Promise<TierSizes>>()
  const sizesOf = (found: Found, signal: AbortSignal): Promise<TierSizes> => {
    const key = `${found.repository.name}/${found.backup.id}`
    const known = sizes.get(key)
    if (known) return known
    const read = found.repository
      .readManifest(found.backup.id, signal, {
        without: ['folders', 'unlogged', 'scratch', 'corrupt', 'packs', 'outsideFiles'],
      })
      .then(tierSizes)
    sizes.set(key, read)
    read.catch(() => sizes.delete(key))
    for (const old of [...sizes.keys()].slice(0, -mostKept)) sizes.delete(old)
    return read
  }
  const mixes = new Map<string, { readonly until: number; readonly wal: WalMix | undefined; readonly bytes: number }>()
  /** What so much WAL since the backup consists of, as that which was there some minutes ago. */
  const mixSince = async (found: Found, walBytes: number, signal: AbortSignal): Promise<WalMix | undefined> => {
    const key = `${found.repository.name}/${found.backup.id}`
    const now = context.clock.monotonic()
    let known = mixes.get(key)
    if (known === undefined || known.until < now) {
      known = { until: now + MIX_LASTS_MS, bytes: walBytes, wal: await mixOfWal(found, signal) }
      mixes.delete(key)
      mixes.set(key, known)
      for (const old of [...mixes.keys()].slice(0, -mostKept)) mixes.delete(old)
    }
    return known.wal && scaled(known.wal, known.bytes === 0 ? 0 : walBytes / known.bytes)
  }
  return {
    estimate: async (warehouse, signal) => {
      const found = await newestBackup(warehouse, context, signal)
      if (!found) return undefined
      const walBytes = await walSince(found, signal)
      const wal = { bytes: walBytes, mix: await mixSince(found, walBytes, signal) }
      return estimateFor(await sizesOf(found, signal), wal, {
        records: await readRecords(context.home),
        warehouse,
        repository: found.repository.name,
        machine: context.environment.hostname,
        way: 'node',
      })
    },
    lastProof: async (warehouse) => await lastProofOf(context.home, warehouse),
    drills: async (warehouse) => await drillStandingOf(context.home, warehouse),
  }
}

interface Found {
  readonly repository: Repository
  readonly backup: BackupSummary
}

async function newestBackup(warehouse: string, context: Context, signal: AbortSignal): Promise<Found | undefined> {
  const names = (await context.use(warehouses)).get(warehouse).declaration.repositories
  let best: Found | undefined
  for (const name of names) {
    const repository = await (await context.use(repositories)).open(name, signal)
    const backups = await repository.listBackups(signal, {
      warehouse,
      onDamaged: (object) => context.log.warn({ object }, 'a manifest is damaged'),
    })
    const backup = backups.at(-1)
    if (backup && (!best || backup.finishedMs > best.backup.finishedMs)) best = { repository, backup }
  }
  return best
}

/** WAL that a recovery to the end would replay, as far as ranges tell: the longest timeline counts. */
async function walSince({ repository, backup }: Found, signal: AbortSignal): Promise<number> {
  const ranges = await repository.wal.ranges(backup.systemIdentifier, signal)
  const endLsn = ranges.reduce((most, range) => (range.endLsn > most ? range.endLsn : most), backup.stopLsn)
  return Number(endLsn - backup.replayFromLsn)
}

async function mixOfWal({ repository, backup }: Found, signal: AbortSignal): Promise<WalMix | undefined> {
  const { systemIdentifier, timeline, replayFromLsn } = backup
  const infos = await repository.wal.listFrom({ systemIdentifier, timeline, startLsn: replayFromLsn }, signal)
  const chunks = infos.map((info) => ({ info, fromLsn: info.startLsn, toLsn: info.endLsn }))
  const toLsn = infos.reduce((most, one) => (one.endLsn > most ? one.endLsn : most), replayFromLsn)
  const { wal } = repository
  const survey = await surveyWal({ wal, chunks, fromLsn: replayFromLsn, toLsn, most: FEW, signal })
  return survey.between(replayFromLsn, toLsn)
}

export interface WalToReplay {
  readonly bytes: number
  readonly mix?: WalMix | undefined
}

/** The steps of `recover run --latest --start`. */
function stepsFor(size: { bytes: number; files: number }, wal: WalToReplay, asked: Question): readonly StepEstimate[] {
  const { bytes, files: count } = size
  return [
    estimateStep('list', 0, { ...asked, count }),
    estimateStep('fetch', bytes, { ...asked, count }),
    estimateStep('sync', bytes, { ...asked, count }),
    estimateStep('replay', wal.bytes, { ...asked, kind: 'repository', wal: wal.mix }),
    estimateStep('verify', bytes, { ...asked, count, kind: 'checksums' }),
    estimateStep('checkpoint', 0, asked),
    estimateStep('start', 0, asked),
  ]
}

export function estimateFor(sizes: TierSizes, wal: WalToReplay, asked: Question): RecoveryEstimate {
  const steps = stepsFor(sizes, wal, asked)
  const whole = total(steps, asked)
  return {
    warehouse: asked.warehouse,
    ...whole,
    tiers: tiersOf(sizes, whole, { wal, asked }),
    steps: steps.map(({ step, bytes, bytesPerSecond, expectedMs }) => ({
      step,
      bytes,
      bytesPerSecond,
      ms: expectedMs,
    })),
  }
}

/** As `recover run --critical-first` has it: the critical tier, then everything. */
function tiersOf(sizes: TierSizes, whole: Total, of: { wal: WalToReplay; asked: Question }): readonly TierEstimate[] {
  const { bytes, critical } = sizes
  if (!critical) return [{ tier: 'standard', bytes, ...whole }]
  const walBytes = Math.max(0, of.wal.bytes - critical.lessWalBytes)
  const wal = of.wal.mix && scaled(of.wal.mix, of.wal.bytes === 0 ? 0 : walBytes / of.wal.bytes)
  const steps = criticalSteps({ ...critical, walBytes, wal, delivery: 'repository' }, of.asked)
  const first = criticalTime(steps, of.asked)
  return [
    { tier: 'critical', bytes: critical.bytes, ...first },
    { tier: 'standard', bytes, ...inTurn(first, whole) },
  ]
}
