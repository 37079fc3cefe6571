import { z } from 'zod'

import { isWharfError } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import { repositories } from '../../repository/contract.ts'
import { backupErrors } from '../errors.ts'
import { backupReport, reportOf, reportText } from '../report.ts'

export const show = defineOperation({
  name: 'backup show',
  summary: 'show one backup: sizes, WAL range, what is not protected, corrupt blocks',
  description:
    'Looks into every repository; works without a control database.\n\nwharf backup show 20261120T140500Z-7f3a9c1e',
  input: z.strictObject({ id: z.string().min(1).describe('id of the backup') }),
  positional: ['id'],
  output: backupReport,
  role: 'viewer',
  danger: 'none',
  errors: ['backup.unknown-backup', 'repository.damaged-manifest'],
  needs: 'repository',
  where: 'here',
  run: async ({ id }, context, signal) => {
    const all = await context.use(repositories)
    for (const { name } of all.list()) {
      const repository = await all.open(name, signal)
      try {
        return reportOf(await repository.readManifest(id, signal), { repository: name, notes: [] })
      } catch (error) {
        if (!isWharfError(error, 'repository.unknown-backup')) throw error
      }
    }
    throw backupErrors.unknownBackup({ id })
  },
  text: reportText,
})
