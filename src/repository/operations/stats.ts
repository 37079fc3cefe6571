import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatSize } from '../../base/units.ts'
import { declaredRepository } from '../config.ts'
import { repositories } from '../contract.ts'
import { asStored } from '../copy.ts'
import { countRepository } from '../facts.ts'
import { liveShare, type LiveShare } from '../prune/live.ts'

const GROWTH_MS = 30 * 86_400_000

const output = z.object({
  name: z.string(),
  objects: z.number(),
  bytes: z.number(),
  kinds: z.array(z.object({ kind: z.string(), objects: z.number(), bytes: z.number() })),
  packs: z
    .object({ packs: z.number(), packBytes: z.number(), liveBytes: z.number(), thinPacks: z.number() })
    .optional()
    .describe('How much of the packs any backup names; thin: less than half. Missing where a manifest cannot be read.'),
  warehouses: z.array(
    z.object({
      warehouse: z.string(),
      backups: z.number(),
      protectedBytes: z.number().describe('Plain bytes of the newest backup.'),
      newBytes: z.number().describe('Plain bytes that all backups stored anew.'),
      storedBytes: z.number().describe('What those take in the repository.'),
      sharedBytes: z.number().describe('Plain bytes that backups shared instead of storing.'),
      grownBytes: z.number().describe('What the backups of the last 30 days, up to the newest, have stored.'),
    }),
  ),
})

export const stats = defineOperation({
  name: 'repository stats',
  summary: 'what takes the space of a repository',
  input: z.object({ name: z.string().optional().describe('May be left out where only one is declared.') }),
  positional: ['name'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['repository.unknown', 'repository.not-initialised', 'repository.wrong-key', 'repository.unreachable'],
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { name } = declaredRepository(context, input.name)
    const repository = await (await context.use(repositories)).open(name, signal)
    const { objects, bytes, kinds } = await countRepository(repository, signal)
    // A damaged manifest must not keep the sizes from being shown; check and show tell of it.
    const backups = await repository.listBackups(signal, { onDamaged: () => {} })
    const warehouses = Map.groupBy(backups, (one) => one.warehouse)
    return {
      name,
      objects,
      bytes,
      kinds: [...kinds],
      packs: await liveShare(asStored(repository).readOptions(signal)),
      warehouses: [...warehouses].map(([warehouse, all]) => ({
        warehouse,
        backups: all.length,
        protectedBytes: all.at(-1)!.statistics.clusterBytes,
        newBytes: all.reduce((sum, one) => sum + one.statistics.newBytes, 0),
        storedBytes: all.reduce((sum, one) => sum + one.statistics.storedBytes, 0),
        sharedBytes: all.reduce((sum, one) => sum + one.statistics.sharedBytes, 0),
        grownBytes: all
          .filter((one) => one.startedMs > all.at(-1)!.startedMs - GROWTH_MS)
          .reduce((sum, one) => sum + one.statistics.storedBytes, 0),
      })),
    }
  },
  text: (all) =>
    [
      formatTable(
        ['kind', { title: 'objects', right: true }, { title: 'size', right: true }],
        [
          ...all.kinds.map((one) => [one.kind, String(one.objects), formatSize(one.bytes)]),
          ['all', String(all.objects), formatSize(all.bytes)],
        ],
      ),
      ...(all.packs && all.packs.packs > 0 ? ['', packsText(all.packs)] : []),
      ...(all.warehouses.length === 0
        ? []
        : [
            '',
            ...all.warehouses.map((one) => `${one.warehouse}: ${formatSize(one.grownBytes)} stored in 30 days`),
            '',
            formatTable(
              [
                'warehouse',
                ...['backups', 'protected', 'read anew', 'stored', 'shared'].map((title) => ({ title, right: true })),
              ],
              all.warehouses.map((one) => [
                one.warehouse,
                String(one.backups),
                formatSize(one.protectedBytes),
                formatSize(one.newBytes),
                formatSize(one.storedBytes),
                formatSize(one.sharedBytes),
              ]),
            ),
          ]),
    ].join('\n'),
})

function packsText({ packs, packBytes, liveBytes, thinPacks }: LiveShare): string {
  const percent = packBytes === 0 ? 100 : Math.round((100 * liveBytes) / packBytes)
  return `${percent}% of ${packs} packs is needed by backups; of ${thinPacks} less than half`
}
