// What an operator can be told of WAL that a server asks for. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../../base/errors.ts'

export const getErrors = defineErrors('recovery', {
  walUnavailable: {
    exit: 'unreachable',
    passing: true,
    message: (at: { segment: string; why: string }) => `cannot get WAL ${at.segment}: ${at.why}`,
    hint: () =>
      'run the same command again once the repository answers and holds it; wharf repository check names what is missing',
  },
  badSegment: {
    exit: 'damaged',
    message: (at: { segment: string; why: string }) => `WAL ${at.segment} of the repository is not usable: ${at.why}`,
    hint: () => 'wharf repository check names what is damaged; a copy of the repository may hold it whole',
  },
  badGetUsage: {
    exit: 'usage',
    message: (at: { why: string; usage: string }) => `${at.why} (usage: ${at.usage})`,
  },
  badWalOptions: {
    exit: 'configuration',
    message: (at: { file: string; why: string }) => `cannot read the WAL options ${at.file}: ${at.why}`,
    hint: () => 'recovery writes that file: run it again',
  },
})
