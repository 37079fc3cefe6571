// What can be wrong with the control database.
import { defineErrors } from '../base/errors.ts'

export const controlErrors = defineErrors('control', {
  newer: {
    exit: 'environment',
    message: (at: { room: string; migration: string }) =>
      `the control database was made by a newer wharf (it has "${at.migration}" of room ${at.room}, which this version does not know)`,
    hint: () => 'use the newer version, or another control database (control.url, --home)',
  },
  migrationChanged: {
    exit: 'environment',
    message: (at: { room: string; migration: string }) =>
      `the migration "${at.migration}" of room ${at.room} is not the one that made this control database`,
    hint: () => 'released migrations never change: go back to the version that made it, or start with a new home',
  },
  migrationFailed: {
    exit: 'failed',
    message: (at: { room: string; migration: string; reason: string }) =>
      `the migration "${at.migration}" of room ${at.room} failed: ${at.reason}`,
    hint: () => 'nothing of it was kept; please report it if the reason does not explain itself',
  },
  unavailable: {
    exit: 'unreachable',
    passing: true,
    message: (at: { reason: string }) => `the control database is not available: ${at.reason}`,
    hint: () => 'it is started again by itself where wharf runs it; otherwise look at its server',
  },
})
