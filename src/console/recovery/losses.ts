// What a recovery does not bring back, in sentences. What could not be counted is never shown as nothing.
import { formatDuration, formatSize } from '../../base/units.ts'
import type { AnyPlanJson, LostJson } from '../api/shapes.ts'
import { countText } from '../parts/figures.tsx'

export function lossesOf(plan: AnyPlanJson): readonly string[] {
  const { lost } = plan
  // Those of a part are not told from others: WAL names no tables where it commits.
  const whose = 'way' in plan ? ' of the whole warehouse' : ''
  const { transactions, loads, unlogged, scratch, hole } = lost
  return [
    transactions
      ? `${countText(transactions.count)} committed ${transactions.count === 1 ? 'transaction' : 'transactions'}${whose}, from ${shortly(transactions.first)} to ${shortly(transactions.last)}`
      : undefined,
    loads.length > 0 ? `Loads after the target: ${few(loads)}` : undefined,
    unlogged.relations.length > 0
      ? `Unlogged relations come back empty (${formatSize(unlogged.bytes)}): ${few(unlogged.relations)}`
      : undefined,
    ...replayOf(unlogged.replay),
    scratch.relations.length > 0
      ? `Scratch relations come back empty (${formatSize(scratch.bytes)}): ${few(scratch.relations)}`
      : undefined,
    hole ? `Everything after ${hole.from}: ${holeReason(hole)}` : undefined,
    ...lost.corrupt.map((one) => `Damaged at the source: ${one}`),
    typeof lost.uncounted === 'string'
      ? `Not known: what comes after the target could not be counted (${lost.uncounted})`
      : undefined,
  ].filter((one) => one !== undefined)
}

const mostNames = 6

/** The command line has them all. */
function few(names: readonly string[]): string {
  const more = names.length - mostNames
  return more <= 1 ? names.join(', ') : `${names.slice(0, mostNames).join(', ')} and ${countText(more)} more`
}

function holeReason(hole: NonNullable<LostJson['hole']>): string {
  return hole.minimal
    ? 'there the server went to wal_level = minimal, and no replay goes past that'
    : `WAL up to ${hole.to} is missing`
}

function replayOf(replay: LostJson['unlogged']['replay']): readonly string[] {
  if (replay === undefined) return []
  const { loads, tables, missing, expectedMs } = replay
  return [
    ...(tables.length > 0
      ? [
          `Of those ${countText(loads)} kept ${loads === 1 ? 'load brings' : 'loads bring'} back ${few(tables)} in ${formatDuration(expectedMs)}: wharf recover loads`,
        ]
      : []),
    ...(missing.length > 0 ? [`No kept loads bring back all of ${few(missing)}`] : []),
  ]
}

/** Without the fraction of a second: `2026-11-21 12:31:04 UTC`. */
function shortly(time: string): string {
  return time.replace(/\.\d+(?= )/, '')
}
