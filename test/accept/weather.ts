// Acceptance 2 with the real files: examples/weather on PostgreSQL 15 and 18, against an independent count; a second run loads nothing.
import { isDeepStrictEqual } from 'node:util'

import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { ensureDatabase } from '../loads/stage.ts'
import { factsOfFiles, factsOfWarehouse } from '../loads/weather-truth.ts'
import { openWeather } from '../loads/weather.ts'
import { startServer } from '../support/postgres.ts'
import { feedsFolder, missing } from '../support/requirements.ts'

const majors = [15, 18] as const
export const defaultCount = majors.length

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  const reason = missing('feeds') ?? missing('all-postgres')
  if (reason !== undefined) throw new Error(reason)
  let failed = 0
  const last = Math.min(options.count, majors.length)
  for (let index = options.resumeFrom; index < last && !options.signal.aborted; index++) {
    const failure = await once(majors[index]!, options)
    if (failure !== undefined) failed++
    options.done(index + 1, failure)
  }
  return { passed: last - options.resumeFrom - failed, failed }
}

/** What is wrong, or undefined. */
async function once(major: 15 | 18, options: AcceptOptions): Promise<string | undefined> {
  const feeds = feedsFolder()
  await using server = await startServer({ major })
  await ensureDatabase(server, 'control')
  await using stage = await openWeather({ server }, feeds)
  const first = await stage.run('weather')
  const problem = first.tasks.find((task) => task.error)?.error?.message
  if (problem !== undefined) return `PostgreSQL ${major}: ${problem}`
  const [inWarehouse, inFiles] = [await factsOfWarehouse(server), await factsOfFiles(feeds)]
  if (!isDeepStrictEqual(inWarehouse, inFiles))
    return `PostgreSQL ${major}: ${JSON.stringify(inWarehouse)} is not ${JSON.stringify(inFiles)}`
  options.log(
    `PostgreSQL ${major}: ${inFiles.days} days, ${inFiles.rows} rows, ${inFiles.planes} planes, ${inFiles.airports} airports; all sums equal`,
  )
  const second = await stage.run('weather')
  const again = second.tasks.flatMap((task) => (task.kind === 'copy' ? [(task.result as { files: number }).files] : []))
  if (second.state !== 'succeeded' || again.some((files) => files !== 0))
    return `PostgreSQL ${major}: the second run loaded ${again.join(', ')} files`
  return isDeepStrictEqual(await factsOfWarehouse(server), inFiles)
    ? undefined
    : `PostgreSQL ${major}: the second run changed something`
}
