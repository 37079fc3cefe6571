// Acceptance 2 of the backup engine: a year of nightly increments with retention on a small warehouse that lives: rows come, change for a week and rest;
// a dimension is updated at random; partitions age and are dropped. Each case is one such year; the clock of the store moves a day each night.
// Every 10th backup is restored and compared with what the server said when it was taken; every 30th night the oldest kept one as well,
// read amplification of a restore is held under 1.3, and the size of the repository under 1.15 × (live data + retained history).
// `ACCEPT_NIGHTS` (default 365).
import type { AcceptOptions } from '../../tools/accept.ts'
import { openYear, type Year } from './year/world.ts'
import { measure } from './year/measure.ts'

export const defaultCount = 1
const RESTORED_EVERY = 10
const MEASURED_EVERY = 30
export const MOST_AMPLIFICATION = 1.3
export const MOST_SIZE = 1.15

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  let failed = 0
  for (let at = options.resumeFrom; at < options.count && !options.signal.aborted; at++) {
    const nights = Number(process.env['ACCEPT_NIGHTS'] ?? 365)
    const failures = await liveThrough({ ...options, nights, seed: options.seed + at })
    if (failures.length > 0) failed++
    options.done(at + 1, failures.join('; ') || undefined)
  }
  return { passed: options.count - failed, failed }
}

export interface YearOptions {
  readonly nights: number
  readonly seed: number
  readonly signal: AbortSignal
  log(line: string): void
}

/** What did not hold. */
export async function liveThrough(options: YearOptions): Promise<string[]> {
  const failures: string[] = []
  const demand = (holds: boolean, what: string): void => {
    options.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`)
    if (!holds) failures.push(what)
  }
  await using year = await openYear(options.seed)
  for (let night = 1; night <= options.nights; night++) {
    options.signal.throwIfAborted()
    const id = await year.night(night)
    if (night % RESTORED_EVERY === 0) await restoreAndCompare(year, id, demand)
    if (night % MEASURED_EVERY === 0 || night === options.nights) await measureNight(year, night, { demand, options })
  }
  return failures
}

type Demand = (holds: boolean, what: string) => void

async function restoreAndCompare(year: Year, id: string, demand: Demand): Promise<void> {
  const different = await year.compare(id)
  demand(different === undefined, `${id} restored equals the truth of its night${different ? `: ${different}` : ''}`)
}

async function measureNight(
  year: Year,
  night: number,
  { demand, options }: { demand: Demand; options: YearOptions },
): Promise<void> {
  const kept = await year.backups()
  const found = await measure(year.repository, kept)
  const mb = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MB`
  options.log(
    `night ${night}: ${kept.length} backups; repository ${mb(found.repositoryBytes)} (packs ${mb(found.packBytes)}, WAL ${mb(found.walBytes)}); ` +
      `live ${mb(found.liveBytes)}, history ${mb(found.historyBytes)}; read since the last: ${mb(year.takeReadBytes())}`,
  )
  demand(
    found.amplification < MOST_AMPLIFICATION,
    `night ${night}: read amplification ${found.amplification.toFixed(3)}`,
  )
  demand(found.sizeRatio <= MOST_SIZE, `night ${night}: size ${found.sizeRatio.toFixed(3)} × (live + history)`)
  await restoreAndCompare(year, kept[0]!.id, demand)
}
