// Acceptance 1: what a backup costs beside pgBackRest's and beside PostgreSQL's own incremental BASE_BACKUP. The whole comparison has 4 GB and five rounds; a
// slice (ACCEPT_GIGABYTES below 4) is tiny and counts only what is no matter of time: bytes read and sizes of repositories.
// `ACCEPT_PGBACKREST` names a newer pgBackRest with block incrementals.
import { compare, describeRatio, holds } from '../../bench/speed/compare.ts'
import type { AcceptOptions } from '../../tools/accept.ts'

export const defaultCount = 1
const WHOLE_GIGABYTES = 4
const SLICE_GIGABYTES = 0.1

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  const { signal, resumeFrom, count } = options
  const log = (line: string): void => options.log(line)
  const isWhole = Number(process.env['ACCEPT_GIGABYTES'] ?? WHOLE_GIGABYTES) >= WHOLE_GIGABYTES
  let failed = 0
  for (let at = resumeFrom; at < count; at++) {
    const ratios = await compare({
      gigabytes: isWhole ? WHOLE_GIGABYTES : SLICE_GIGABYTES,
      rounds: isWhole ? 5 : 1,
      idleGigabytes: isWhole ? [1, 16] : undefined,
      warm: !isWhole,
      newerPgBackRest: process.env['ACCEPT_PGBACKREST'],
      log,
      signal,
    })
    const missed = ratios.filter((one) => !holds(one) && (isWhole || !one.timed)).map(describeRatio)
    for (const one of ratios) log(describeRatio(one))
    if (missed.length > 0) failed++
    options.done(at + 1, missed.join('; ') || undefined)
  }
  return { passed: count - failed, failed }
}
