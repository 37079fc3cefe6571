// Signals of the process as an AbortSignal: the first asks to stop, the second ends the process at once.
import { exitCodes } from '../base/errors.ts'
import { errors } from './errors.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Listens until disposed. A second signal exits with 130. */
export function listenForInterrupts(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodes.cancelled)
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
