import { defineErrors } from '../base/errors.ts'

export const errors = defineErrors('app', {
  nothingToRun: {
    exit: 'configuration',
    message: () => 'there is nothing to run: no room brings work in the background',
    hint: () => 'wharf doctor shows what is installed and configured',
  },
  startFailed: {
    exit: 'failed',
    message: (at: { daemon: string; reason: string }) => `${at.daemon} could not start: ${at.reason}`,
  },
  notDrained: {
    exit: 'failed',
    message: (names: readonly string[]) => `stopped before all work had ended: ${names.join(', ')}`,
    hint: () => 'what was cut off goes on by itself with the next start',
  },
})
