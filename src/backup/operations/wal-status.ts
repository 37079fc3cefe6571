import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import type { Repository } from '../../repository/contract.ts'
import { HEALED_BLOCK } from '../../repository/healed.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { warehouses, type Warehouse } from '../../warehouse/contract.ts'
import { holeBytes, holesOf, openAll, walStatusOf } from '../receiver/standing.ts'

const stretch = z.strictObject({ timeline: z.number(), fromLsn: z.string(), toLsn: z.string() })
const line = z.strictObject({
  warehouse: z.string(),
  repository: z.string(),
  required: z.boolean().describe('whether WAL must be in it to count as durable'),
  state: z.enum(['streaming', 'connecting', 'stopped', 'failing']),
  timeline: z.number().optional(),
  durableLsn: z.string().optional().describe('end of the WAL that is durable in the repository'),
  serverLsn: z.string().optional().describe('end of the WAL at the server'),
  lagBytes: z.number().optional(),
  lagMs: z.number().optional().describe('age of the newest WAL that is not durable yet; 0 when nothing is missing'),
  lastMessageAt: z.string().optional(),
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
  ranges: z.array(stretch).describe('WAL that the repository holds without a hole'),
  holes: z
    .array(
      stretch.extend({ minimal: z.literal(true).optional().describe('the WAL is there, but no replay goes past it') }),
    )
    .describe('WAL between ranges that nobody has, or at which the server went to wal_level = minimal'),
  synchronous: z
    .strictObject({ spool: z.string(), flushedLsn: z.string().optional(), warnings: z.array(z.string()) })
    .optional()
    .describe('commits wait for us: what they wait for is durable in this folder before it is in the repository'),
  notices: z
    .array(z.strictObject({ reason: z.string(), at: z.string(), data: z.record(z.string(), z.string()) }))
    .optional()
    .describe('what wharf wal push left in the repository for an operator and `wharf up` has not passed on yet'),
})
type Line = z.output<typeof line>

export const walStatus = defineOperation({
  name: 'wal status',
  summary: 'show how far WAL is received, and what is missing',
  description: 'Asks the servers and the repositories; works without a control database.',
  input: z.strictObject({ warehouse: declaredName().optional().describe('only this warehouse') }),
  positional: ['warehouse'],
  output: z.strictObject({ receivers: z.array(line) }),
  role: 'viewer',
  danger: 'none',
  errors: ['warehouse.unknown', 'repository.unknown', 'repository.wrong-key'],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    const all = await context.use(warehouses)
    const names =
      input.warehouse === undefined ? all.list().map((one) => one.name) : [all.get(input.warehouse).declaration.name]
    const receivers: Line[] = []
    for (const name of names) receivers.push(...(await linesOf(context, name, signal)))
    return { receivers }
  },
  text: ({ receivers }) =>
    receivers.length === 0 ? 'no warehouse has a repository' : receivers.map(lineText).join('\n'),
})

async function linesOf(context: Context, name: string, signal: AbortSignal): Promise<Line[]> {
  const warehouse = (await context.use(warehouses)).get(name)
  const { opened } = await openAll(context, warehouse, signal)
  const lines: Line[] = []
  const system = await systemOf(warehouse, opened, signal)
  for (const status of await walStatusOf(context, name, signal)) {
    const repository = opened.find((one) => one.name === status.repository)
    const ranges = repository ? await repository.wal.replayable(system, signal) : []
    const told = repository ? await repository.notices.list(name, signal) : []
    // Those are for the next backups, not for people.
    const notices = told.filter(({ reason }) => reason !== HEALED_BLOCK)
    const { timeline, durableLsn, serverLsn, lagBytes, lagMs, lastMessageAt, error } = status
    lines.push({
      warehouse: name,
      repository: status.repository,
      required: status.required ?? true,
      state: status.state,
      ...(timeline === undefined ? {} : { timeline }),
      ...(durableLsn === undefined ? {} : { durableLsn }),
      ...(serverLsn === undefined ? {} : { serverLsn }),
      ...(lagBytes === undefined ? {} : { lagBytes }),
      ...(lagMs === undefined ? {} : { lagMs }),
      ...(lastMessageAt === undefined ? {} : { lastMessageAt }),
      ...(error === undefined ? {} : { error }),
      ranges: ranges.map((one) => ({
        timeline: one.timeline,
        fromLsn: formatLsn(one.startLsn),
        toLsn: formatLsn(one.endLsn),
      })),
      holes: [...holesOf(ranges)],
      ...(status.synchronous === undefined
        ? {}
        : {
            synchronous: {
              spool: status.synchronous.spool,
              ...(status.synchronous.flushedLsn === undefined ? {} : { flushedLsn: status.synchronous.flushedLsn }),
              warnings: [...status.synchronous.warnings],
            },
          }),
      ...(notices.length === 0
        ? {}
        : {
            notices: notices.map((one) => ({
              reason: one.reason,
              at: new Date(one.atMs).toISOString(),
              data: { ...one.data },
            })),
          }),
    })
  }
  return lines
}

/** From the server; where that cannot be reached, from the newest backup. */
async function systemOf(warehouse: Warehouse, opened: readonly Repository[], signal: AbortSignal): Promise<bigint> {
  try {
    await using session = await warehouse.connectReplication({ purpose: 'status', signal })
    return (await session.identify()).systemIdentifier
  } catch (error) {
    if (signal.aborted) throw error
    for (const one of opened) {
      const { name } = warehouse.declaration
      const newest = (await one.listBackups(signal, { warehouse: name, onDamaged: () => {} })).at(-1)
      if (newest) return newest.systemIdentifier
    }
    return 0n
  }
}

function lineText(one: Line): string {
  const lag = one.lagBytes === undefined ? '' : `, ${formatSize(one.lagBytes)} behind`
  const age = one.lagMs === undefined || one.lagMs === 0 ? '' : ` (${formatDuration(one.lagMs)})`
  const position = one.durableLsn === undefined ? 'nothing stored yet' : `durable up to ${one.durableLsn}`
  const optional = one.required ? '' : ' (not required)'
  const lines = [`${one.warehouse} → ${one.repository}${optional}  ${one.state.padEnd(10)}  ${position}${lag}${age}`]
  for (const range of one.ranges) lines.push(`    timeline ${range.timeline}: ${range.fromLsn} to ${range.toLsn}`)
  for (const hole of one.holes) {
    if (hole.minimal) {
      lines.push(
        `    HOLE on timeline ${hole.timeline}: at ${hole.fromLsn} the server went to wal_level = minimal, which no replay goes past`,
      )
      continue
    }
    lines.push(
      `    HOLE on timeline ${hole.timeline}: ${hole.fromLsn} to ${hole.toLsn} (${formatSize(holeBytes(hole))}) is lost`,
    )
  }
  if (one.synchronous) {
    lines.push(
      `    synchronous: fsynced up to ${one.synchronous.flushedLsn ?? 'nothing yet'} in the spool ${one.synchronous.spool}`,
    )
    for (const warning of one.synchronous.warnings) lines.push(`    WARNING ${warning}`)
  }
  for (const notice of one.notices ?? [])
    lines.push(`    ALERT ${notice.reason} at ${notice.at}: ${notice.data['message'] ?? notice.data['problem'] ?? ''}`)
  if (one.error) lines.push(`    ${one.error.message}`)
  if (one.error?.hint !== undefined) lines.push(`    ${one.error.hint}`)
  return lines.join('\n')
}
