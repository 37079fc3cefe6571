// How long a recovery would take now, for those who watch: the newest backup, the WAL since, and what recoveries and drills have taught.
import type { Context } from '../../base/room.ts'
import { repositories, type BackupSummary, type Repository } from '../../repository/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'
import type { RecoveryEstimate, RecoveryEstimates, TierEstimate } from '../contract.ts'
import { drillStandingOf, lastProofOf } from './proofs.ts'
import { criticalSteps, criticalTime, inTurn } from './critical-steps.ts'
import { estimateStep, total, type StepEstimate, type Total } from './model.ts'
import type { Question } from './samples.ts'
import { tierSizes, type TierSizes } from './tier-sizes.ts'
import { readRecords } from './times.ts'

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
  return {
    estimate: async (warehouse, signal) => {
      const found = await newestBackup(warehouse, context, signal)
      if (!found) return undefined
      const walBytes = await walSince(found, signal)
      return estimateFor(await sizesOf(found, signal), walBytes, {
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

/** The steps of `recover run --latest --start`. */
function stepsFor(size: { bytes: number; files: number }, walBytes: number, asked: Question): readonly StepEstimate[] {
  const { bytes, files: count } = size
  return [
    estimateStep('list', 0, { ...asked, count }),
    estimateStep('fetch', bytes, { ...asked, count }),
    estimateStep('sync', bytes, { ...asked, count }),
    estimateStep('replay', walBytes, { ...asked, kind: 'repository' }),
    estimateStep('verify', bytes, { ...asked, count, kind: 'checksums' }),
    estimateStep('checkpoint', 0, asked),
    estimateStep('start', 0, asked),
  ]
}

export function estimateFor(sizes: TierSizes, walBytes: number, asked: Question): RecoveryEstimate {
  const steps = stepsFor(sizes, walBytes, asked)
  const whole = total(steps, asked)
  return {
    warehouse: asked.warehouse,
    ...whole,
    tiers: tiersOf(sizes, whole, { walBytes, asked }),
    steps: steps.map(({ step, bytes, bytesPerSecond, expectedMs }) => ({
      step,
      bytes,
      bytesPerSecond,
      ms: expectedMs,
    })),
  }
}

/** As `recover run --critical-first` has it: the critical tier, then everything. */
function tiersOf(sizes: TierSizes, whole: Total, of: { walBytes: number; asked: Question }): readonly TierEstimate[] {
  const { bytes, critical } = sizes
  if (!critical) return [{ tier: 'standard', bytes, ...whole }]
  const walBytes = Math.max(0, of.walBytes - critical.lessWalBytes)
  const steps = criticalSteps({ ...critical, walBytes, delivery: 'repository' }, of.asked)
  const first = criticalTime(steps, of.asked)
  return [
    { tier: 'critical', bytes: critical.bytes, ...first },
    { tier: 'standard', bytes, ...inTurn(first, whole) },
  ]
}
