// Acceptance 2 of the backup engine: a year of nightly increments with retention on a small warehouse that lives: rows come, change for a week and rest;
// a dimension is updated at random; partitions age and are dropped. One case is one night; the clock of the store moves a day with each.
// Every 10th backup is restored and compared with what the server said when it was taken; every 30th night the oldest kept one as well, and
// read amplification of a restore is held under 1.3, the size of the repository under 1.15 × (live data + retained history).
// A run that is resumed lives through the nights before once more, without restoring.
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { openYear, type Year } from './year/world.ts'
import { measure } from './year/measure.ts'

export const defaultCount = 365
const RESTORED_EVERY = 10
const MEASURED_EVERY = 30
const MOST_AMPLIFICATION = 1.3
const MOST_SIZE = 1.15

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  await using year = await openYear(options.seed)
  let failed = 0
  for (let night = 1; night <= options.count && !options.signal.aborted; night++) {
    const id = await year.night(night)
    if (night <= options.resumeFrom) continue
    // Whoever stops it early gets at least one restored and measured.
    const isLast = night === options.count || options.signal.aborted
    const failures: string[] = []
    if (isLast || night % RESTORED_EVERY === 0) failures.push(...(await restoreAndCompare(year, id, options)))
    if (isLast || night % MEASURED_EVERY === 0) failures.push(...(await measureNight(year, night, options)))
    if (failures.length > 0) failed++
    options.done(night, failures.join('; ') || undefined)
  }
  return { passed: options.count - options.resumeFrom - failed, failed }
}

function told(holds: boolean, what: string, options: AcceptOptions): string[] {
  options.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`)
  return holds ? [] : [what]
}

async function restoreAndCompare(year: Year, id: string, options: AcceptOptions): Promise<string[]> {
  const different = await year.compare(id)
  const what = `${id} restored equals the truth of its night${different ? `: ${different}` : ''}`
  return told(different === undefined, what, options)
}

async function measureNight(year: Year, night: number, options: AcceptOptions): Promise<string[]> {
  const kept = await year.backups()
  const found = await measure(year.repository, kept)
  const mb = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MB`
  options.log(
    `night ${night}: ${kept.length} backups; repository ${mb(found.repositoryBytes)} (packs ${mb(found.packBytes)}, WAL ${mb(found.walBytes)}); ` +
      `live ${mb(found.liveBytes)}, history ${mb(found.historyBytes)}; read since the last: ${mb(year.takeReadBytes())}`,
  )
  const { amplification, sizeRatio } = found
  return [
    ...told(
      amplification < MOST_AMPLIFICATION,
      `night ${night}: read amplification ${amplification.toFixed(3)}`,
      options,
    ),
    ...told(sizeRatio <= MOST_SIZE, `night ${night}: size ${sizeRatio.toFixed(3)} × (live + history)`, options),
    ...(await restoreAndCompare(year, kept[0]!.id, options)),
  ]
}
