// `wharf recover commits WAREHOUSE`: how many transactions committed when.
import { z } from 'zod'

import { duration, whole } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { countCommits } from '../commits/count.ts'
import { targetErrors as errors } from '../target/errors.ts'
import { openChosenRepository } from '../restore/open-repository.ts'
import { recoveryInput, repositoryInput } from './options.ts'

const input = z.strictObject({
  warehouse: recoveryInput.warehouse,
  since: duration().prefault('1h').describe('how far back'),
  buckets: whole(1, 1000).default(60).describe('into how many stretches the time is cut, of whole seconds'),
  ...repositoryInput,
})

const output = z.strictObject({
  warehouse: z.string(),
  from: z.string(),
  bucketMs: z.number(),
  commits: z.array(z.number()).describe('of each stretch, from `from` on'),
  completeFrom: z
    .string()
    .describe('before this moment not all WAL has been looked through yet; the next call goes on'),
  undecoded: z.number().describe('chunks whose WAL could not be decoded: their commits are not known'),
})
type Output = z.output<typeof output>

export const commits = defineOperation<z.output<typeof input>, Output>({
  name: 'recover commits',
  summary: 'how many transactions committed when',
  description: [
    'Counts the commits that the WAL in the repository holds, so that the moment to go back to can be found: a gap, a burst, the quiet before. Needs no server and no control database.',
    'Long times of busy warehouses are looked through piece by piece, newest first: what is not complete yet is said, and the next call of the same process goes on.',
    'wharf recover commits retail --since 24h --buckets 48',
  ].join('\n\n'),
  input,
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['recovery.no-backup', 'repository.unreachable'],
  needs: 'repository',
  where: 'here',
  run: async (asked, context, signal) => {
    const chosen = await openChosenRepository(asked, context, signal)
    try {
      const { repository } = chosen
      const backups = await repository.listBackups(signal, { warehouse: asked.warehouse, onDamaged: () => {} })
      const newest = backups.toSorted((one, other) => other.finishedMs - one.finishedMs)[0]
      if (newest === undefined) throw errors.noBackup({ warehouse: asked.warehouse, repository: repository.name })
      const toMs = context.clock.now()
      const { systemIdentifier } = newest
      const span = { systemIdentifier, fromMs: toMs - asked.since, toMs, buckets: asked.buckets }
      const { fromMs, completeFromMs, ...counts } = await countCommits(repository, span, signal)
      return {
        warehouse: asked.warehouse,
        from: new Date(fromMs).toISOString(),
        completeFrom: new Date(completeFromMs).toISOString(),
        ...counts,
        commits: [...counts.commits],
      }
    } finally {
      await chosen.close()
    }
  },
  text: commitsText,
})

const MOST_BAR = 40

function commitsText(found: Output): string {
  const { commits: counts, bucketMs } = found
  const most = Math.max(1, ...counts)
  const fromMs = Date.parse(found.from)
  const rows = counts.map((count, index) => [
    new Date(fromMs + index * bucketMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    String(count),
    '▇'.repeat(Math.ceil((count / most) * MOST_BAR)),
  ])
  const notes = [
    ...(Date.parse(found.completeFrom) > fromMs ? [`before ${found.completeFrom} not all WAL was looked through`] : []),
    ...(found.undecoded > 0 ? [`${found.undecoded} chunks of WAL could not be decoded`] : []),
  ]
  return [formatTable(['FROM', { title: 'COMMITS', right: true }, ''], rows), ...notes].join('\n')
}
