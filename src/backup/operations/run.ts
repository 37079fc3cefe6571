import { z } from 'zod'

import { declaredName, whole } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { kindSchema } from '../config.ts'
import { backupReport, reportText } from '../report.ts'
import { runBackup } from '../run-backup.ts'

export const run = defineOperation({
  name: 'backup run',
  summary: 'back up a warehouse while it is in use',
  description: [
    'Copies the data directory of the server on this host into a repository, verifies every page, and waits until all WAL that the backup needs is durable there.',
    'A full backup reads everything anew, except static data: what no WAL has touched since its image was taken is read back from the repository and shared, unless --independent is given.',
    'An incremental backup reads only the blocks that changed since its parent; it restores on its own all the same. Without a usable parent a full backup is taken, and the output says why.',
    'Where the warehouse has several repositories the server is read once, into the first that works; the others get a copy. One that is not required and fails is alerted; one that is required makes the command fail, although the backup is complete in the others.',
    'Works without a control database.',
    'wharf backup run retail\nwharf backup run retail --kind full --workers 2',
  ].join('\n\n'),
  input: z.strictObject({
    warehouse: declaredName().describe('name of the warehouse in wharf.yaml'),
    kind: kindSchema.default('incremental'),
    independent: z.boolean().default(false).describe('take a full backup that shares nothing with any other'),
    repository: declaredName()
      .optional()
      .describe('into this one alone; default: into every repository of the warehouse'),
    workers: whole(1, 64).optional().describe('threads that copy'),
    adopt: z
      .boolean()
      .default(false)
      .describe('go on although all backups of the warehouse are of another cluster: it was upgraded or made anew'),
  }),
  positional: ['warehouse'],
  output: backupReport,
  role: 'operator',
  danger: 'writes',
  errors: [
    'repository.backup-uncertain',
    'backup.no-repository',
    'backup.not-everywhere',
    'backup.unreadable',
    'backup.other-server',
    'backup.lacks-right',
    'backup.server-changed',
    'backup.other-cluster',
    'backup.session-lost',
    'backup.in-recovery',
    'repository.busy',
  ],
  needs: 'repository',
  where: 'run',
  run: (input, context, signal) => runBackup(input, context, { report: (event) => context.progress(event), signal }),
  text: reportText,
})
