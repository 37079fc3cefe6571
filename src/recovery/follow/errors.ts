// What an operator can be told of a standby that follows, and of its cut-over. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../../base/errors.ts'

export const followErrors = defineErrors('recovery', {
  followTarget: {
    exit: 'usage',
    message: () => '--follow replays whatever comes: no target but --latest goes with it',
    hint: () => 'leave the target out; wharf recover cut-over DIRECTORY ends it',
  },
  followElsewhere: {
    exit: 'usage',
    message: () => '--follow makes a copy in a folder of its own: --in-place and --original do not go with it',
    hint: () => 'after the cut-over the copy can take the place of the original',
  },
  notFollowing: {
    exit: 'notFound',
    message: (directory: string) => `${directory} follows no warehouse`,
    hint: () => 'wharf recover run WAREHOUSE --follow --to-directory DIRECTORY begins one',
  },
  openedAlready: {
    exit: 'failed',
    message: (directory: string) =>
      `${directory} was opened by a cut-over that did not come to its end: it follows no more`,
    hint: () => 'start it and look at it, or begin a new one in another folder',
  },
  nobodyFollows: {
    exit: 'failed',
    message: (directory: string) => `nobody feeds the standby in ${directory} now`,
    hint: () => 'run wharf recover run --follow for it again, then cut over',
  },
  cutOverFailed: {
    exit: 'failed',
    message: (at: { directory: string; why: string }) => `the cut-over of ${at.directory} failed: ${at.why}`,
    hint: () => 'see what the following command says; run it again with --follow to go on following',
  },
  standbyDied: {
    exit: 'failed',
    message: (at: { why: string; log: string }) => `the standby ended: ${at.why}`,
    hint: (at) => `its log is ${at.log}; when the cause is gone, run the same command again: it goes on from there`,
  },
})
