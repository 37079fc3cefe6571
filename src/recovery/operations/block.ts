import { z } from 'zod'

import { duration } from '../../base/config-types.ts'
import { defineOperation, demandConfirmation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { recoverBlocks } from '../blocks/recover-blocks.ts'
import type { BlockResult } from '../blocks/result.ts'
import { chosenWarehouse } from './default-warehouse.ts'
import { recoveryInput, repositoryInput } from './options.ts'

const input = z.strictObject({
  warehouse: recoveryInput.warehouse
    .optional()
    .describe('name of the warehouse; default: the only one that is declared'),
  relation: z
    .array(z.string())
    .optional()
    .describe(
      'table, index or TOAST table: schema.name or schema.name:7,12; without blocks all that are bad by themselves',
    ),
  database: z.string().optional().describe('its database; default: that of the URL of the warehouse'),
  fork: z.enum(['main', 'init', 'fsm', 'vm']).default('main').describe('fork of the relation'),
  file: z
    .array(z.string())
    .optional()
    .describe('instead of --relation: file within the data directory, base/5/16384 or base/5/16384:7,12'),
  block: z
    .string()
    .optional()
    .describe('blocks of those that do not say, 7,12,20-25: of the fork, with --file of that file'),
  fromCheck: z.boolean().default(false).describe('all blocks that the newest backup found to be bad'),
  dataDirectory: z.string().optional().describe('heal in the directory of a server that was shut down'),
  dryRun: z.boolean().default(false).describe('make the good pages and compare; write nothing'),
  keepIn: z.string().optional().describe('folder in which bad pages are kept; default: bad-pages under home'),
  workIn: z.string().optional().describe('folder for the sandbox; default: under home'),
  wait: duration().prefault('60s').describe("how long the repository is waited for to get the server's newest WAL"),
  lockTimeout: duration().prefault('5s').describe('how long the lock of a table is waited for'),
  binaries: z.string().optional().describe('folder of the PostgreSQL server programs'),
  owner: recoveryInput.owner,
  ...repositoryInput,
})
export type BlockInput = z.output<typeof input>

const output = z.object({
  way: z.enum(['online', 'stopped']),
  backup: z.string().optional(),
  lsn: z.string().optional(),
  blocks: z.array(
    z.object({
      relation: z.string(),
      file: z.string(),
      fork: z.string(),
      block: z.number(),
      outcome: z.enum(['healed', 'damaged', 'good', 'refused']),
      damage: z.string().optional(),
      why: z.string().optional(),
      kept: z.string().optional(),
    }),
  ),
  notes: z.array(z.string()),
})
type Output = z.output<typeof output>

export const block = defineOperation<BlockInput, Output>({
  name: 'recover block',
  summary: 'heal damaged blocks in place',
  description: [
    'Takes a good image of each block from a backup, rolls it forward through WAL in a sandbox beside the server, compares, and writes the block back: under the running server for tables of users, their indexes and TOAST (the table is locked meanwhile), or with the server shut down (--data-directory) for everything. The bad page is kept in a file. A block that cannot be proven is refused with its reason, and nothing of it is written.',
    'Finds flipped bits, zeros, misplaced pages and pages whose last writes were lost. The maps of free space and visibility are not healed: PostgreSQL makes them anew.',
    'wharf recover block --relation sales.orders:7,12 --relation sales.orders_pkey:3\nwharf recover block --relation sales.orders\nwharf recover block --from-check --dry-run\nwharf recover block --data-directory /srv/pg --file base/5/1259 --block 3',
  ].join('\n\n'),
  input,
  output,
  role: 'admin',
  danger: 'destroys',
  errors: [
    'recovery.no-blocks',
    'recovery.bad-blocks',
    'recovery.bad-block-file',
    'recovery.map-fork',
    'recovery.unknown-block-relation',
    'recovery.block-no-storage',
    'recovery.block-not-here',
    'recovery.block-other-cluster',
    'recovery.block-other-timeline',
    'recovery.block-no-file',
    'recovery.block-server-runs',
    'recovery.block-not-shut-down',
    'recovery.block-no-image',
    'recovery.block-locked',
    'recovery.block-lock-lost',
    'recovery.block-no-buffer-view',
    'recovery.block-not-read-back',
  ],
  needs: 'repository',
  where: 'run',
  run: async (asked, context, signal): Promise<Output> => {
    const warehouse = await chosenWarehouse(asked.warehouse, context)
    const { wait, lockTimeout, ...rest } = asked
    const report = await recoverBlocks({ ...rest, warehouse, waitMs: wait, lockTimeoutMs: lockTimeout }, context, {
      report: (event) => context.progress(event),
      signal,
      confirm: (blocks, place) =>
        demandConfirmation(
          context,
          `write over ${blocks.length} ${blocks.length === 1 ? 'block' : 'blocks'} in ${place.dataDirectory}, as far as they prove to be damaged?`,
        ),
    })
    return {
      way: report.way,
      ...(report.backup === undefined ? {} : { backup: report.backup }),
      ...(report.toLsn === undefined ? {} : { lsn: formatLsn(report.toLsn) }),
      blocks: report.results.map(shown),
      notes: [...report.passedOver, ...report.notes],
    }
  },
  text: blocksText,
  exit: ({ blocks }) =>
    blocks.some((one) => one.outcome === 'refused' || one.outcome === 'damaged') ? 'findings' : 'ok',
})

function shown(result: BlockResult): Output['blocks'][number] {
  const { relation, path, fork, block: number } = result.block
  return {
    relation,
    file: path,
    fork,
    block: number,
    outcome: result.outcome,
    ...('damage' in result ? { damage: result.damage } : {}),
    ...('why' in result ? { why: result.why } : {}),
    ...('kept' in result ? { kept: result.kept } : {}),
  }
}

function blocksText({ blocks, backup, lsn, notes }: Output): string {
  if (blocks.length === 0) return 'no bad block was found'
  return [
    ...(backup === undefined ? [] : [`good pages from backup ${backup}, rolled forward to ${lsn}`]),
    formatTable(
      ['RELATION', { title: 'BLOCK', right: true }, 'FILE', 'OUTCOME', 'WHY'],
      blocks.map((one) => [one.relation, String(one.block), one.file, one.outcome, one.why ?? one.damage ?? '']),
    ),
    ...blocks.flatMap((one) =>
      one.kept === undefined ? [] : [`block ${one.block} of ${one.relation} as it was: ${one.kept}`],
    ),
    ...notes.map((one) => `note: ${one}`),
  ].join('\n')
}
