import { defineErrors } from '../base/errors.ts'

export const errors = defineErrors('cli', {
  unknownCommand: {
    exit: 'usage',
    message: (at: { words: string; parent: string; near: string | undefined }) => `unknown command "${at.words}"`,
    hint: (at) =>
      at.near === undefined
        ? `${['wharf help', at.parent].join(' ').trim()} lists the commands`
        : `did you mean "${at.near}"?`,
  },
  missingCommand: {
    exit: 'usage',
    message: (at: { words: string; known: readonly string[] }) =>
      `"${at.words}" needs one more word: ${at.known.join(', ')}`,
    hint: (at) => `wharf help ${at.words.replace(/^wharf ?/, '')}`.trimEnd(),
  },
  badUsage: {
    exit: 'usage',
    message: (at: { message: string; command: string; near?: string | undefined }) => at.message,
    hint: (at) => (at.near === undefined ? `wharf help ${at.command}`.trimEnd() : `did you mean ${at.near}?`),
  },
  badInput: {
    exit: 'usage',
    message: (at: { message: string; command: string; hint?: string | undefined }) => at.message,
    hint: (at) => at.hint ?? `wharf help ${at.command}`,
  },
  interrupted: {
    exit: 'cancelled',
    message: (signal: string) => `interrupted by ${signal}`,
  },
})
