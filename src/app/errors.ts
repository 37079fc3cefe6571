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
  notTheDemo: {
    exit: 'usage',
    message: (home: string) => `${home} does not hold the demo`,
    hint: () => 'wharf up without a configuration offers to set it up; --home names another one',
  },
  walNotReceived: {
    exit: 'busy',
    passing: true,
    message: (lsn: string) => `the WAL up to ${lsn} did not reach the repository`,
    hint: () =>
      'the demo shows a recovery without loss, so wharf up must be running; wharf wal status says where receiving stands',
  },
  noDisaster: {
    exit: 'notFound',
    message: () => 'there was no disaster to recover from',
    hint: () => 'wharf demo disaster makes one',
  },
})
