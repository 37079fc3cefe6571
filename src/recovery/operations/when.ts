import { z } from 'zod'

import { whole } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatSize } from '../../base/units.ts'
import { openChosenRepository } from '../restore/open-repository.ts'
import { readingOf } from '../restore/reading.ts'
import { findWhen } from '../when/find.ts'
import { parseRelationName } from '../when/relation-name.ts'
import { reportOf, reportText, type WhenReport } from '../when/report.ts'
import { spanOf } from '../when/span.ts'
import { chosenWarehouse } from './default-warehouse.ts'
import { recoveryInput, repositoryInput } from './options.ts'

const input = z.strictObject({
  table: z
    .string()
    .min(1)
    .describe('the table: schema.table or database.schema.table; a partitioned one with its partitions'),
  warehouse: recoveryInput.warehouse
    .optional()
    .describe('name of the warehouse; default: the only one that is declared'),
  database: z.string().optional().describe('its database; default: the one that has such a table'),
  since: z.string().optional().describe('look from this time on, or so far back (2d, 12h); default: 7d'),
  until: z.string().optional().describe('look up to this time; default: to the end of WAL'),
  most: whole(1, 100_000).default(50).describe('how many events to show; those that touch the most rows stay'),
  timeline: recoveryInput.timeline,
  ...repositoryInput,
})
export type WhenInput = z.output<typeof input>

const output = z.object({
  database: z.string(),
  relation: z.string(),
  timeline: z.number(),
  backup: z.string(),
  wal: z.object({ from: z.string(), to: z.string(), bytes: z.number(), readBytes: z.number(), chunks: z.number() }),
  events: z.array(
    z.object({
      kind: z.enum(['delete', 'update', 'truncate', 'drop', 'detach', 'rename', 'rewrite', 'create', 'gone']),
      at: z.string(),
      lsn: z.string().describe('start of the commit record'),
      xid: z.number(),
      load: z.string().optional(),
      relations: z.array(z.string()),
      rows: z.object({ deleted: z.number(), updated: z.number(), inserted: z.number() }),
      isAtLeast: z.boolean().describe('the transaction began before the WAL that was read: it may have changed more'),
      detail: z.string(),
      undo: z
        .array(z.string())
        .describe('options of `wharf recover table` for the moment before it; empty: no backup leads there'),
    }),
  ),
  leftOut: z.object({ events: z.number(), deleted: z.number(), updated: z.number() }),
  notes: z.array(z.string()),
})

export const when = defineOperation<WhenInput, WhenReport>({
  name: 'recover when table',
  summary: 'find when rows of a table vanished, from the WAL in the repository',
  description: [
    'Shows, newest first, the committed transactions that deleted or updated rows of the table, and those that truncated, dropped, rewrote, detached or renamed it, with time, position, transaction and load. The last column is the option with which `wharf recover table` brings back the moment before.',
    'Reads the repository alone: no server is asked. Only WAL that touches the table is read. Names and partitions are those of the newest backup before --since, followed through WAL from there.',
    'wharf recover when table sales.orders\nwharf recover when table sales.orders --since "2026-11-19 00:00" --until "2026-11-20 00:00"',
  ].join('\n\n'),
  input,
  positional: ['table'],
  output: output as z.ZodType<WhenReport>,
  role: 'viewer',
  danger: 'none',
  errors: [
    'recovery.bad-relation-name',
    'recovery.unknown-relation',
    'recovery.unknown-database',
    'recovery.ambiguous-relation',
    'recovery.bad-time',
    'recovery.no-backup',
  ],
  needs: 'repository',
  where: 'run',
  run: async (asked, context, signal) => {
    const relation = parseRelationName(asked.table)
    const span = spanOf(asked, context.clock.now())
    const warehouse = await chosenWarehouse(asked.warehouse, context)
    const chosen = await openChosenRepository({ ...asked, warehouse }, context, signal)
    await using _ = { [Symbol.asyncDispose]: () => chosen.close() }
    const { repository } = chosen
    await using reading = await readingOf(repository, { warehouse, log: context.log, signal })
    const found = await findWhen(
      {
        warehouse,
        relation: { ...relation, database: asked.database ?? relation.database },
        timeline: asked.timeline,
        ...span,
      },
      { repository, context, report: (event) => context.progress(event), signal },
    )
    const notes = reading.unprotected === undefined ? found.notes : [...found.notes, reading.unprotected]
    return reportOf({ ...found, notes }, { most: asked.most, timeline: asked.timeline })
  },
  text: (report) =>
    [
      reportText(report),
      `looked through ${formatSize(report.wal.bytes)} of WAL from ${report.wal.from} to ${report.wal.to}, read ${formatSize(report.wal.readBytes)} of it`,
    ].join('\n'),
})
