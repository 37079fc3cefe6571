// Signals of the process as an AbortSignal: the first asks to stop, the second ends the process at once.
import { systemClock } from '../base/clock.ts'
import { exitCodes } from '../base/errors.ts'
import { errors } from './errors.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * One Ctrl-C arrives up to three times: the terminal signals the whole process group, and npm and the launcher pass it on. Measured under
 * `npm start`: all within 20 ms. What comes this soon is the same wish.
 */
const SAME_WISH_MS = 500

/** Listens until disposed. A second signal, after half a second or later, exits with 130. */
export function listenForInterrupts(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  let firstAt = 0
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      if (systemClock.monotonic() - firstAt >= SAME_WISH_MS) process.exit(exitCodes.cancelled)
      return
    }
    firstAt = systemClock.monotonic()
    controller.abort(errors.interrupted(name))
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, onSignal)
    },
  }
}
