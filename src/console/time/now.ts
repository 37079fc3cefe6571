// The one clock of the console: the server's time, so that ages are right even where this machine's clock is not.
import { useEffect, useState } from 'react'

let offsetMs = 0

function localMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Now by the server's clock, as far as it has told. Epoch milliseconds. */
export function now(): number {
  return localMs() + offsetMs
}

/** Learns the server's clock from an answer that was made just now. A second of difference is the wire, not the clock. */
export function learnClock(serverTime: string): void {
  const difference = Date.parse(serverTime) - localMs()
  offsetMs = Math.abs(difference) < 2000 ? 0 : difference
}

/** Now, again every `everyMs`, for what ages on the screen. */
export function useNow(everyMs = 1000): number {
  const [value, setValue] = useState(now)
  useEffect(() => {
    const timer = setInterval(() => setValue(now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return value
}
