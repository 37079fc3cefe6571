// Acceptance 8: a mixed query load beside a throttled full keeps at least 0.9 × its rate, beside an increment 0.95 ×; pairs (alone, beside) that alternate,
// the median of nine with its interval. `ACCEPT_FOREGROUND_MB` (default 1024) is the size of the tables, `ACCEPT_PAIRS` (default 9) the number of pairs.
import type { AcceptOptions } from '../../tools/accept.ts'
import { measureForeground } from '../../bench/foreground.ts'

export const defaultCount = 1

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  const { resumeFrom, count, signal } = options
  const megabytes = Number(process.env['ACCEPT_FOREGROUND_MB'] ?? 1024)
  const pairs = Number(process.env['ACCEPT_PAIRS'] ?? 9)
  let failed = 0
  for (let at = resumeFrom; at < count; at++) {
    signal.throwIfAborted()
    const found = await measureForeground({ megabytes, pairs, log: (line) => options.log(line), signal })
    const failures = found.filter(({ holds }) => !holds).map(({ text }) => text)
    for (const { text, holds } of found) options.log(`${holds ? 'ok    ' : 'FAILED'} ${text}`)
    // A slice on a busy machine shows that all of it works; what it measures there means nothing.
    const counts = pairs >= 9 && megabytes >= 1024
    if (counts && failures.length > 0) failed++
    options.done(at + 1, counts ? failures.join('; ') || undefined : undefined)
  }
  return { passed: count - resumeFrom - failed, failed }
}
