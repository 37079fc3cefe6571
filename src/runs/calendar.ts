// When a schedule is due. The rule for clock changes: a wall-clock time happens exactly once per local date; one that falls into the gap
// happens at the first valid instant after it, one that happens twice counts at its first. Schedules with a step (`*/2`) follow elapsed time.
import { Cron } from 'croner'

import { messageOf } from '../base/errors.ts'
import { errors } from './errors.ts'

export interface CronRule {
  readonly cron: string
  readonly timezone: string
}

/** Rejects with `runs.bad-cron` or `runs.bad-timezone`. */
function compile(rule: CronRule): Cron {
  try {
    Intl.DateTimeFormat('en', { timeZone: rule.timezone }).resolvedOptions()
  } catch (error) {
    throw errors.badTimezone(rule.timezone, { cause: error })
  }
  try {
    return new Cron(rule.cron, { timezone: rule.timezone, mode: '5-part', paused: true })
  } catch (error) {
    throw errors.badCron({ cron: rule.cron, problem: messageOf(error).replace(/^CronPattern: /, '') }, { cause: error })
  }
}

/** The next `count` occurrences after `from`, fewer where there are no more. */
export function nextOccurrences(rule: CronRule, from: Date, count: number): readonly Date[] {
  return compile(rule).nextRuns(count, from)
}

/** Occurrences in (`after`, `until`], oldest first; of many only the newest `most`. */
export function occurrencesBetween(rule: CronRule, range: { after: Date; until: Date }, most = 100): readonly Date[] {
  const compiled = compile(rule)
  const found: Date[] = []
  for (let at = compiled.nextRun(range.after); at && at <= range.until; at = compiled.nextRun(at)) {
    found.push(at)
    if (found.length > most) found.shift()
  }
  return found
}

/** How late an occurrence may be found and still counts as on time rather than missed. */
export const ON_TIME_MS = 60_000

/** Of those that are due: which to run. `missed` speaks about those found too late. */
export function dueOccurrences(due: readonly Date[], options: { now: Date; missed: 'skip' | 'last' }): readonly Date[] {
  const newest = due.at(-1)
  if (!newest) return []
  const onTime = due.filter((at) => options.now.getTime() - at.getTime() <= ON_TIME_MS)
  return onTime.length > 0 || options.missed === 'skip' ? onTime : [newest]
}
