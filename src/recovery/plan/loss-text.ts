// What a recovery loses, for people.
import { formatSize } from '../../base/units.ts'
import type { ReplayOutlook } from '../replay/plan-replay.ts'
import type { Loss } from './loss.ts'
import { spanText } from './span-text.ts'

function holeReason(hole: NonNullable<Loss['hole']>): string {
  return hole.minimal
    ? 'there the server went to wal_level = minimal, and no replay goes past that'
    : `WAL up to ${hole.to} is missing`
}

function replayLines(replay: ReplayOutlook | undefined): readonly string[] {
  if (!replay || (replay.tables.length === 0 && replay.missing.length === 0)) return []
  const loads = replay.loads === 1 ? 'one kept load brings' : `${replay.loads} kept loads bring`
  return [
    ...(replay.tables.length === 0
      ? []
      : [`of those ${loads} back ${replay.tables.join(', ')} in ${spanText(replay)}: wharf recover loads`]),
    ...(replay.missing.length === 0 ? [] : [`no kept loads bring back all of ${replay.missing.join(', ')}`]),
  ]
}

/** Silence would look like nothing. */
export function uncountedNotes({ uncounted }: Loss): readonly string[] {
  return uncounted === undefined ? [] : [`what comes after the target could not be counted: ${uncounted}`]
}

/** `nothing`: what is said where nothing is lost. */
export function lossLines(lost: Loss, nothing = 'nothing that the repository holds'): readonly string[] {
  const lines = [
    ...(lost.transactions
      ? [
          `${lost.transactions.count} committed transactions, from ${lost.transactions.first} to ${lost.transactions.last}`,
        ]
      : []),
    ...(lost.loads.length > 0 ? [`loads after the target: ${lost.loads.join(', ')}`] : []),
    ...(lost.unlogged.relations.length > 0
      ? [
          `unlogged relations come back empty (${formatSize(lost.unlogged.bytes)}): ${lost.unlogged.relations.join(', ')}`,
        ]
      : []),
    ...replayLines(lost.unlogged.replay),
    ...(lost.scratch.relations.length > 0
      ? [`scratch relations come back empty (${formatSize(lost.scratch.bytes)}): ${lost.scratch.relations.join(', ')}`]
      : []),
    ...(lost.hole ? [`everything after ${lost.hole.from}: ${holeReason(lost.hole)}`] : []),
    ...lost.corrupt.map((one) => `damaged at the source: ${one}`),
  ]
  if (lines.length > 0) return lines
  return [lost.uncounted === undefined ? nothing : 'unknown: what comes after the target could not be counted']
}
