import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { defineOperation, demandConfirmation } from '../../base/operation.ts'
import { repositories } from '../../repository/contract.ts'
import {
  controlHolds,
  expireRepository,
  planRepository,
  repositoriesOf,
  retentionOf,
  type Expiry,
} from '../retention/expire.ts'
import { expirySchema, expiryText, expiryView } from '../retention/expiry-view.ts'
import { soleWarehouse } from './sole-warehouse.ts'

export const expire = defineOperation({
  name: 'backup expire',
  summary: 'let go what retention does not keep, and delete what was let go long enough ago',
  description:
    'Two phases. A backup that no rule and no hold keeps expires: it is not listed any more, but stays as long as the grace period (default 3 days) lasts, and wharf backup restore-expired brings it back. Then it is deleted, with the data and WAL that only it needed. Works on what is asked of the repositories themselves, by their own clocks.\n\nNeeds the prune key of the repository (wharf repository prune-key). Without retention nothing expires.\n\nwharf backup expire retail --dry-run',
  input: z.strictObject({
    warehouse: declaredName().optional().describe('may be left out where only one is declared'),
    repository: declaredName().optional().describe('only in this repository'),
    dryRun: z.boolean().default(false).describe('say what would happen, change nothing'),
  }),
  positional: ['warehouse'],
  output: z.strictObject({
    warehouse: z.string(),
    configured: z.boolean().describe('whether the warehouse has a retention'),
    dryRun: z.boolean(),
    repositories: z.array(expirySchema),
  }),
  role: 'admin',
  danger: 'destroys',
  errors: [
    'repository.no-prune-declared',
    'repository.no-prune-key',
    'repository.wrong-prune-key',
    'base.not-confirmed',
  ],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    const warehouse = await soleWarehouse(context, input.warehouse)
    const names = await repositoriesOf(context, { warehouse, repository: input.repository })
    const retention = retentionOf(context, warehouse)
    const plans: Expiry[] = []
    const holds = await controlHolds(context)
    for (const name of names) {
      const repository = await (await context.use(repositories)).open(name, signal)
      plans.push(await planRepository(repository, { warehouse, retention, holds }, signal))
    }
    const answer = { warehouse, configured: retention !== undefined, dryRun: input.dryRun }
    if (input.dryRun) return { ...answer, repositories: plans.map(expiryView) }
    const count = plans.reduce((sum, one) => sum + one.survey.decision.expired.length, 0)
    await demandConfirmation(context, `let ${count} backups of ${warehouse} expire, and delete what expired before?`)
    const done: Expiry[] = []
    for (const name of names) {
      const report = (event: Parameters<typeof context.progress>[0]): void => context.progress(event)
      done.push(await expireRepository(name, { warehouse }, context, { signal, report }))
    }
    return { ...answer, repositories: done.map(expiryView) }
  },
  text: (done) =>
    [
      ...(done.configured ? [] : [`warehouse ${done.warehouse} has no retention: nothing expires by itself`]),
      ...done.repositories.map((one) => expiryText(one, !done.dryRun)),
      ...(done.dryRun ? ['nothing was changed'] : []),
    ].join('\n'),
})
