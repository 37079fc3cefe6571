import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatDuration } from '../../base/units.ts'
import { auditProblems } from '../drills/audited.ts'
import { drillsOf } from '../drills/unended.ts'

const output = z.object({
  drills: z.array(
    z.object({
      number: z.number(),
      id: z.string().nullable(),
      warehouse: z.string().nullable(),
      tier: z.string().nullable(),
      startedAt: z.string().nullable(),
      outcome: z.string().nullable(),
      backup: z.string().nullable(),
      recoveryMs: z.number().nullable(),
      predictedMs: z.number().nullable(),
      findings: z.number(),
      problems: z.array(z.string()),
    }),
  ),
  unended: z
    .array(
      z.object({
        id: z.string(),
        warehouse: z.string(),
        tier: z.string(),
        startedAt: z.string(),
        backup: z.string().nullable(),
        state: z.enum(['running', 'interrupted', 'elsewhere']),
      }),
    )
    .describe('begun, without evidence: one whose process was killed gets it from the next drill'),
  problems: z.array(z.string()).describe('what is wrong with the chain as a whole'),
})
type Output = z.output<typeof output>

export const drillList = defineOperation<{ warehouse?: string | undefined }, Output>({
  name: 'drill list',
  summary: 'list the drills that this home has evidence of, oldest first',
  description:
    'Each document is checked: its signature, its place in the chain, and, where the control database runs, its hash in the audit chain. What was edited or removed is said.',
  input: z.strictObject({ warehouse: z.string().optional().describe('only of this warehouse') }),
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  run: async ({ warehouse }, context) => {
    const { archive, audited, unended, here } = await drillsOf(context)
    const drills = archive.drills
      .filter(({ evidence }) => warehouse === undefined || !evidence || evidence.warehouse === warehouse)
      .map(({ number, evidence, problems }) => ({
        number,
        id: evidence?.id ?? null,
        warehouse: evidence?.warehouse ?? null,
        tier: evidence?.tier ?? null,
        startedAt: evidence?.startedAt ?? null,
        outcome: evidence?.outcome ?? null,
        backup: evidence?.backup ?? null,
        recoveryMs: evidence?.recoveryMs ?? null,
        predictedMs: evidence?.predicted?.expectedMs ?? null,
        findings: evidence?.findings?.length ?? 0,
        problems: [...problems],
      }))
    const ofWarehouse = unended.filter((one) => warehouse === undefined || one.warehouse === warehouse)
    return {
      drills,
      unended: [...ofWarehouse],
      problems: [...archive.problems, ...auditProblems(archive, audited, here)],
    }
  },
  text: listText,
  exit: ({ drills, problems }) =>
    problems.length > 0 || drills.some((one) => one.problems.length > 0) ? 'findings' : 'ok',
})

const stateText = {
  running: 'not ended yet',
  interrupted: 'begun and never ended: the next drill keeps evidence of that',
  elsewhere: 'not ended, or its process died: its own host can tell',
} as const

function listText({ drills, unended, problems }: Output): string {
  const duration = (ms: number | null): string => (ms === null ? '-' : formatDuration(ms))
  const table = formatTable(
    [
      'DRILL',
      'WAREHOUSE',
      'TIER',
      'STARTED',
      'OUTCOME',
      { title: 'TOOK', right: true },
      { title: 'PREDICTED', right: true },
      'EVIDENCE',
    ],
    [
      ...drills.map((one) => [
        one.id ?? `number ${one.number}`,
        one.warehouse ?? '-',
        one.tier ?? '-',
        one.startedAt ?? '-',
        one.outcome ?? '-',
        duration(one.recoveryMs),
        duration(one.predictedMs),
        one.problems.length === 0 ? 'whole' : `EDITED: ${one.problems.join('; ')}`,
      ]),
      ...unended.map((one) => [
        one.id,
        one.warehouse,
        one.tier,
        one.startedAt,
        one.state,
        '-',
        '-',
        stateText[one.state],
      ]),
    ],
  )
  return [
    drills.length + unended.length === 0 ? 'no drill has been run yet' : table,
    ...problems.map((one) => `WRONG: ${one}`),
  ].join('\n')
}
