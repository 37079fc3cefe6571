import { z } from 'zod'

import { declaredName, whole } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { DAY_MS } from '../../base/units.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { kindSchema } from '../config.ts'
import { backupErrors } from '../errors.ts'
import { collectPeriod, type Period } from '../period/collect.ts'
import { periodHtml, periodText } from '../period/render.ts'

const bytes = z.number()
const periodReport = z.strictObject({
  warehouse: z.string(),
  from: z.string(),
  to: z.string(),
  backups: z.array(
    z.strictObject({
      id: z.string(),
      repository: z.string(),
      kind: kindSchema,
      startedAt: z.string(),
      durationMs: z.number(),
      readBytes: bytes,
      newBytes: bytes,
      storedBytes: bytes,
      sharedBytes: bytes,
      staticBytes: bytes,
      deferredBytes: bytes,
      auditedBytes: bytes,
      clusterBytes: bytes,
      readBytesPerSecond: z.number(),
      corruptBlocks: z.number(),
      gone: z.boolean(),
    }),
  ),
  totals: z.array(
    z.strictObject({
      kind: kindSchema,
      count: z.number(),
      medianMs: z.number(),
      longestMs: z.number(),
      readBytes: bytes,
      storedBytes: bytes,
      readBytesPerSecond: z.number(),
    }),
  ),
  failures: z.array(
    z.strictObject({
      at: z.string(),
      repository: z.string().nullable(),
      kind: z.string().nullable(),
      code: z.string().nullable(),
      message: z.string(),
    }),
  ),
  alerts: z.array(z.strictObject({ at: z.string(), reason: z.string(), count: z.number().nullable() })),
  wal: z.array(z.strictObject({ repository: z.string(), chunks: z.number(), storedBytes: bytes })),
  coverage: z.array(
    z.strictObject({
      schedule: z.string(),
      when: z.string(),
      kind: kindSchema,
      expected: z.number().nullable(),
      made: z.number(),
      missed: z.array(z.string()),
    }),
  ),
  warnings: z.array(z.string()),
})
const output = z.strictObject({ reports: z.array(periodReport), html: z.string().optional() })
type Output = z.output<typeof output>

const input = z.strictObject({
  warehouse: declaredName().optional().describe('name of the warehouse in wharf.yaml; default: all'),
  days: whole(1, 3660).default(30).describe('so many days back from --to'),
  from: z.string().optional().describe('begin of the period, ISO 8601, instead of --days'),
  to: z.string().optional().describe('end of the period, ISO 8601; default: now'),
  html: z.boolean().default(false).describe('one HTML page instead of text'),
})

export const report = defineOperation({
  name: 'backup report',
  summary: 'backups of a period: kinds, bytes, times, rates, failures, and whether the policy was kept',
  description: [
    'From the repositories, and from the events of the control database where it runs: failures, alerts and backups that have expired since are only there. Without it the report says so.',
    'An occurrence of a schedule counts as made if a backup of its kind, or a fuller one, began before the next occurrence.',
    'wharf backup report retail --days 7\nwharf backup report --html > report.html',
  ].join('\n\n'),
  input,
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['warehouse.unknown', 'backup.bad-period'],
  needs: 'repository',
  where: 'here',
  run: async (given, context, signal): Promise<Output> => {
    const period = periodOf(given, context.clock.now())
    const all = (await context.use(warehouses)).list().map(({ name }) => name)
    const reports: Output['reports'] = []
    for (const name of given.warehouse === undefined ? all : [given.warehouse]) {
      const found = await collectPeriod(context, name, { ...period, signal })
      reports.push(periodReport.parse(found))
    }
    return given.html ? { reports, html: periodHtml(reports) } : { reports }
  },
  text: ({ reports, html }) => html ?? (reports.length === 0 ? 'no warehouses are declared' : periodText(reports)),
})

/** Rejects with `backup.bad-period`. */
function periodOf(given: z.output<typeof input>, nowMs: number): Period {
  const toMs = given.to === undefined ? nowMs : timeOf('--to', given.to)
  const fromMs = given.from === undefined ? toMs - given.days * DAY_MS : timeOf('--from', given.from)
  if (fromMs >= toMs)
    throw backupErrors.badPeriod({ option: '--from', text: given.from ?? '', why: 'it is not before the end' })
  return { fromMs, toMs }
}

/** A day is its first moment in UTC; a time needs its zone. */
function timeOf(option: string, text: string): number {
  const isTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
  const ms = isTime ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw backupErrors.badPeriod({ option, text, why: 'it is not a time' })
  return ms
}
