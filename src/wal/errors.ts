// Errors of the decoders. They name the bytes by what they are and where they stand in WAL.
import { defineErrors } from '../base/errors.ts'

export const errors = defineErrors('wal', {
  badSegmentSize: {
    exit: 'damaged',
    message: (bytes: number) => `not a WAL segment size: ${bytes} bytes`,
    hint: () => 'PostgreSQL has powers of two from 1 MB to 1 GB; the control file of the cluster may be damaged',
  },
  badHistory: {
    exit: 'damaged',
    message: (at: { timeline: number; line: number; text: string }) =>
      `history file of timeline ${at.timeline}, line ${at.line}: "${at.text}" is no timeline switch`,
    hint: () =>
      'a line holds a timeline number, an LSN and a reason, numbers and LSNs growing; fetch the file anew from the server',
  },
  badControlFile: {
    exit: 'damaged',
    message: (why: string) => `pg_control cannot be read: ${why}`,
    hint: () => 'PostgreSQL 15 to 18 with 8 kB blocks on a little-endian machine is supported',
  },
  badLabel: {
    exit: 'damaged',
    message: (why: string) => `backup_label cannot be read: ${why}`,
  },
  badTablespaceMap: {
    exit: 'damaged',
    message: (line: string) => `tablespace_map cannot be read: "${line}" is not an oid and a path`,
  },
  unsupportedVersion: {
    exit: 'environment',
    message: (major: number) => `WAL of PostgreSQL ${major} is not known`,
    hint: () => 'versions 15 to 18 are; a newer wharf may know it',
  },
  mapsNotInOrder: {
    exit: 'failed',
    message: (at: { end: string; start: string }) =>
      `change maps do not follow each other: one ends at ${at.end}, the next starts at ${at.start}`,
  },
})
