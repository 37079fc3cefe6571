// Asking on the terminal before something is destroyed.
import { createInterface } from 'node:readline/promises'

import type { Streams } from './program.ts'

/** True for `y` or `yes`. Undefined without asking where input or standard error is no terminal. */
export async function askYesNo(question: string, streams: Streams, signal: AbortSignal): Promise<boolean | undefined> {
  if (!streams.in.isTTY || !streams.err.isTTY) return undefined
  const reader = createInterface({ input: streams.in, output: streams.err })
  // With a terminal in raw mode Ctrl-C arrives here and not as a signal of the process.
  const interrupted = new AbortController()
  reader.once('SIGINT', () => {
    interrupted.abort()
    process.kill(process.pid, 'SIGINT')
  })
  try {
    const answer = await reader.question(`${question} [y/N] `, {
      signal: AbortSignal.any([signal, interrupted.signal]),
    })
    return /^y(es)?$/i.test(answer.trim())
  } catch {
    return false
  } finally {
    reader.close()
  }
}
