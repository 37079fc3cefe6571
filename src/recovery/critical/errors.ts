// What an operator can be told of the critical tier alone. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../../base/errors.ts'

export const criticalErrors = defineErrors('recovery', {
  noCritical: {
    exit: 'usage',
    message: (at: { backup: string; warehouse: string }) =>
      `backup ${at.backup} of warehouse "${at.warehouse}" holds no table of tier critical`,
    hint: () =>
      'tables get their tier from backup.<warehouse>.tiers in wharf.yaml when a backup is taken; leave the option out to recover everything at once',
  },
  allCritical: {
    exit: 'usage',
    message: (at: { backup: string; warehouse: string }) =>
      `every table in backup ${at.backup} of warehouse "${at.warehouse}" is of tier critical: nothing could come first`,
    hint: () => 'leave the option out, or declare fewer tables critical in backup.<warehouse>.tiers of wharf.yaml',
  },
  criticalNeedsStart: {
    exit: 'usage',
    message: () => '--critical-first makes sense only with --start',
    hint: () => 'readers are let in until the whole server is open: add --start',
  },
  criticalOption: {
    exit: 'usage',
    message: (option: string) => `${option} makes sense only with --critical-first`,
    hint: () =>
      'it says where critical tables are read before the rest is back: add --critical-first and --start, or leave it out',
  },
  criticalNoFollow: {
    exit: 'usage',
    message: () => '--critical-first and --follow exclude each other',
    hint: () => '--follow --readable lets readers in to all that has been replayed',
  },
  criticalHooks: {
    exit: 'usage',
    message: (at: { libraries: readonly string[] }) =>
      `readers cannot be let in to a part of this warehouse: its answers depend on ${at.libraries.join(', ')}, which a sandbox does not load`,
    hint: () => 'leave --critical-first out',
  },
})
