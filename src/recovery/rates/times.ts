// How long steps of recoveries and drills took, kept in a small file under home: the time model learns from it, and it needs no database (P4).
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import { withPredictions } from './model.ts'
import { isMix, type WalMix } from './wal-mix.ts'

/**
 * `list`: finding backup, target and plan. `read-target`: what is there already, for a delta. `fetch` includes decryption, decompression and
 * writing, which threads do at the same time; `sync` is what then makes it durable. `fetch-wal`: all WAL laid into the directory beforehand, where the
 * server could not read the repository; elsewhere it is fetched while it is replayed. `load`: a kept load that is run again.
 */
export const stepNames = [
  'list',
  'read-target',
  'fetch',
  'sync',
  'fetch-wal',
  'replay',
  'checkpoint',
  'verify',
  'start',
  'copy-rows',
  'build-indexes',
  'swap',
  'load',
] as const
export type StepName = (typeof stepNames)[number]

/** What kind of recovery it was. */
export const recoveryWays = [
  'node',
  'in-place',
  'critical-first',
  'table',
  'database',
  'tablespace',
  'block',
  'loads',
  'drill',
  'follow',
  'validate',
] as const
export type RecoveryWay = (typeof recoveryWays)[number]

export type Basis = 'measured' | 'assumed'

/** Expectation and 80 % interval, milliseconds. `basis` is missing in records of old versions. */
export interface Prediction {
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  readonly basis?: Basis
}

export interface StepTime {
  readonly step: StepName
  readonly bytes: number
  readonly ms: number
  /** What the WAL of a replay consists of. Left out by old versions, and where it was not known. */
  readonly wal?: WalMix
  /** Things that take time whatever their size: files, indexes, loads. */
  readonly count?: number
  /** Kind of work within the step, e.g. `full` of `verify`: like is compared with like. */
  readonly kind?: string
  /** Of `load`: how long the same loads took when they ran first. */
  readonly basisMs?: number
  /** What the plan said, so that predictions can be scored (P7). Left out: what the model says before it has seen this record. */
  readonly predicted?: Prediction
}

/** One recovery that was carried out. `verified`: started and proven, not only restored. */
export interface RecoveryRecord {
  readonly at: string
  readonly warehouse: string
  readonly backup: string
  readonly target: string
  readonly verified: boolean
  readonly durationMs: number
  readonly steps: readonly StepTime[]
  /** Left out by old versions: `node`. */
  readonly way?: RecoveryWay
  readonly repository?: string
  /** Name of the host it ran on. */
  readonly machine?: string
  /** What the plan said of the whole. */
  readonly predicted?: Prediction
}

const fileName = 'recovery-times.json'
const mostRecords = 400

/** Oldest first. A file that cannot be understood counts as empty, and so does a record: only predictions suffer. */
export async function readRecords(home: string): Promise<readonly RecoveryRecord[]> {
  try {
    const parsed: unknown = JSON.parse(await readFile(join(home, fileName), 'utf8'))
    return Array.isArray(parsed) ? parsed.filter(isRecord) : []
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return []
    throw error
  }
}

function isRecord(value: unknown): value is RecoveryRecord {
  const one = value as Partial<RecoveryRecord> | null
  return (
    typeof one === 'object' &&
    one !== null &&
    typeof one.at === 'string' &&
    typeof one.warehouse === 'string' &&
    isTime(one.durationMs) &&
    Array.isArray(one.steps) &&
    one.steps.every(isStep)
  )
}

function isStep(value: unknown): boolean {
  const one = value as Partial<StepTime> | null
  return (
    typeof one === 'object' &&
    one !== null &&
    isTime(one.ms) &&
    isTime(one.bytes) &&
    stepNames.includes(one.step as StepName) &&
    (one.wal === undefined || isMix(one.wal))
  )
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** Records of one process are added one after the other. Two processes that end a recovery in the same moment may lose one of the two. */
let adding: Promise<unknown> = Promise.resolve()

export async function addRecord(home: string, record: RecoveryRecord): Promise<void> {
  const added = adding.then(async () => {
    const before = await readRecords(home)
    const records = [...before, withPredictions(record, before)].slice(-mostRecords)
    await writeFileDurably(join(home, fileName), `${JSON.stringify(records, undefined, 1)}\n`)
  })
  adding = added.catch(() => {})
  await added
}
