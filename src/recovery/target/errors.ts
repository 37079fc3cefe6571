// What an operator can be told of a recovery point that does not exist or cannot be reached. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../../base/errors.ts'

export const targetErrors = defineErrors('recovery', {
  noTarget: {
    exit: 'usage',
    message: () => 'no recovery target was named',
    hint: () => 'one of --latest, --at TIME, --lsn LSN, --name NAME, --xid N, --before-load ID',
  },
  manyTargets: {
    exit: 'usage',
    message: (given: readonly string[]) => `${given.join(' and ')} exclude each other`,
    hint: () => 'name exactly one recovery target',
  },
  badTime: {
    exit: 'usage',
    message: (at: { text: string; why: string }) => `not a time: "${at.text}": ${at.why}`,
    hint: () => 'for example 2026-11-20T14:05:00Z, "2026-11-20 14:05:00.123+01:00" or "2026-11-20 14:05 Europe/Berlin"',
  },
  badXid: {
    exit: 'usage',
    message: (text: string) => `not a transaction id: "${text}"`,
    hint: () => 'a decimal number, as pg_current_xact_id() prints it',
  },
  noBackup: {
    exit: 'notFound',
    message: (at: { warehouse: string; repository: string }) =>
      `repository "${at.repository}" holds no complete backup of warehouse "${at.warehouse}"`,
    hint: () => 'wharf backup list shows what there is; names are case sensitive',
  },
  unknownBackup: {
    exit: 'notFound',
    message: (at: { id: string; warehouse: string }) =>
      `there is no complete backup "${at.id}" of warehouse "${at.warehouse}"`,
    hint: () => 'wharf backup list shows what there is',
  },
  unknownTimeline: {
    exit: 'notFound',
    message: (at: { timeline: number; known: readonly number[] }) => `the repository knows no timeline ${at.timeline}`,
    hint: (at) => `timelines with WAL: ${at.known.join(', ')}`,
  },
  noHistory: {
    exit: 'damaged',
    message: (timeline: number) => `the repository holds WAL of timeline ${timeline} but not its history file`,
    hint: () => 'name an older timeline with --timeline',
  },
  beforeFirst: {
    exit: 'notFound',
    message: (at: { target: string; timeline: number; earliest: string }) =>
      `${at.target} is before the end of the first backup on timeline ${at.timeline}`,
    hint: (at) => `the earliest point that can be reached is ${at.earliest}`,
  },
  beyondEnd: {
    exit: 'notFound',
    message: (at: { target: string; timeline: number; latest: string; elsewhere?: string | undefined }) =>
      `${at.target} is beyond the end of what the repository holds of timeline ${at.timeline}`,
    hint: (at) =>
      `the last point that can be reached is ${at.latest}: --latest goes there${at.elsewhere === undefined ? '' : `; ${at.elsewhere}`}`,
  },
  inHole: {
    exit: 'notFound',
    message: (at: { target: string; from: string; to: string; latest: string; next: string; minimal: boolean }) =>
      at.minimal
        ? `${at.target} cannot be reached: at ${at.from} the server went to wal_level = minimal, and no replay goes past that`
        : `${at.target} cannot be reached: WAL from ${at.from} to ${at.to} is missing`,
    hint: (at) => `before ${at.minimal ? 'that' : 'the hole'} the last point is ${at.latest}; ${at.next}`,
  },
  backupTooLate: {
    exit: 'notFound',
    message: (at: { backup: string; stop: string; target: string }) =>
      `backup ${at.backup} ends at ${at.stop}, after ${at.target}`,
    hint: () => 'leave --backup out: the right one is then chosen',
  },
  backupOffHistory: {
    exit: 'notFound',
    message: (at: { backup: string; timeline: number }) =>
      `backup ${at.backup} does not lie on the way to timeline ${at.timeline}`,
    hint: () => 'leave --backup out, or name another timeline with --timeline',
  },
  unknownName: {
    exit: 'notFound',
    message: (name: string) => `no restore point "${name}" is in the WAL that the repository holds`,
    hint: () => 'names are those given to pg_create_restore_point(); they are case sensitive',
  },
  unknownXid: {
    exit: 'notFound',
    message: (xid: string) => `no end of transaction ${xid} is in the WAL that the repository holds`,
    hint: () => 'it may still run, be a subtransaction, or have ended before the first backup',
  },
  unknownLoad: {
    exit: 'notFound',
    message: (load: string) => `no committed load "${load}" is in the WAL that the repository holds`,
    hint: () => 'wharf load journal WAREHOUSE shows the ids; a load that was rolled back needs no recovery',
  },
  ambiguous: {
    exit: 'notFound',
    message: (at: { what: string; points: readonly string[] }) => `${at.what} is found several times`,
    hint: (at) => `choose one with --lsn: ${at.points.join('; ')}`,
  },
  undecoded: {
    exit: 'damaged',
    message: (at: { object: string; problem: string }) =>
      `transactions cannot be found in WAL chunk ${at.object}: ${at.problem}`,
    hint: () => 'name the target by --lsn, or recover with --latest',
  },
})
