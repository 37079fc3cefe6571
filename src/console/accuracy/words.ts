// Ways and steps of recoveries, scores and verdicts, in words.
import { formatDuration } from '../../base/units.ts'
import type { ScoreJson, ScoredRecoveryJson, StepScoreJson } from '../api/shapes.ts'

const ways: Readonly<Record<string, string>> = {
  node: 'Whole warehouse',
  'in-place': 'In place',
  'critical-first': 'Critical tables first',
  table: 'Tables',
  database: 'Database',
  tablespace: 'Tablespace',
  block: 'Blocks',
  loads: 'Kept loads run again',
  drill: 'Drill',
  follow: 'Standby',
  validate: 'Validation',
}

export function wayText(way: string): string {
  return ways[way] ?? way
}

const steps: Readonly<Record<string, string>> = {
  list: 'Find backup and target',
  'read-target': 'Read what is there',
  fetch: 'Fetch and write files',
  sync: 'Make files durable',
  'fetch-wal': 'Lay out WAL',
  replay: 'Replay WAL',
  checkpoint: 'Checkpoint',
  verify: 'Verify',
  start: 'Start the server',
  'copy-rows': 'Copy rows',
  'build-indexes': 'Build indexes',
  swap: 'Put in place',
  load: 'Run loads',
}

export function stepText({ step, kind }: Pick<StepScoreJson, 'step' | 'kind'>): string {
  const name = steps[step] ?? step
  return kind === null ? name : `${name} (${kind})`
}

export function percent(share: number | null): string {
  return share === null ? '—' : `${Math.round(share * 100)} %`
}

export function ratio(bias: number | null): string {
  return bias === null ? '—' : `× ${bias < 10 ? bias.toFixed(2) : bias.toFixed(0)}`
}

/** Below this many a share of four fifths cannot be told from others. */
export const enoughToJudge = 10

export interface Judgement {
  readonly tone: 'good' | 'warn' | 'quiet'
  readonly text: string
}

/** 70 to 90 % of what happens lies within a good interval of 80 %. */
export function judgeCoverage({ count, coverage }: Pick<ScoreJson, 'count' | 'coverage'>): Judgement {
  if (coverage === null) return { tone: 'quiet', text: 'nothing to judge yet' }
  if (count < enoughToJudge) return { tone: 'quiet', text: `80 % is meant; too few to judge by` }
  if (coverage < 0.7) return { tone: 'warn', text: '80 % is meant: surer than it should be' }
  if (coverage > 0.9) return { tone: 'warn', text: '80 % is meant: wider than need be' }
  return { tone: 'good', text: '80 % is meant: as it should be' }
}

/** Within 5 % is as said. */
export function biasText(bias: number | null): string {
  if (bias === null) return 'nothing to judge yet'
  if (bias > 1.05) return 'tends to take longer than said'
  return bias < 0.95 ? 'tends to be back sooner than said' : 'neither longer nor shorter than said'
}

export function fateOf({ basis, within }: ScoredRecoveryJson): 'held' | 'off' | 'guess' {
  if (basis === 'assumed') return 'guess'
  return within ? 'held' : 'off'
}

/** `said 9.2 s (7.1 s to 13 s), took 21 s`. */
export function saidAndTook(one: ScoredRecoveryJson): string {
  const interval = `${formatDuration(one.lowMs)} to ${formatDuration(one.highMs)}`
  return `said ${formatDuration(one.expectedMs)} (${interval}), took ${formatDuration(one.measuredMs)}`
}
