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

/** Learns the server's clock from the Date of an answer that came just now; it is cut to seconds, and the wire takes a while. */
export function learnClock(date: string | null): void {
  if (date === null || Number.isNaN(Date.parse(date))) return
  const difference = Date.parse(date) + 500 - localMs()
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
