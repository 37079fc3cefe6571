// Errors of assurance.
import { defineErrors } from '../base/errors.ts'
import { suggestion } from '../base/nearest.ts'

export const errors = defineErrors('assurance', {
  unknownWarehouse: {
    exit: 'notFound',
    message: (at: { name: string; known: readonly string[] }) => `no warehouse is called "${at.name}"`,
    hint: (at) => suggestion(at.name, at.known) ?? '"wharf warehouse list" shows them',
  },
  tooSlow: {
    exit: 'unreachable',
    passing: true,
    message: (at: { what: string; seconds: number }) => `${at.what} did not answer within ${at.seconds} s`,
  },
})
