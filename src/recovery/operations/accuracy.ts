import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatDuration } from '../../base/units.ts'
import { accuracyOf, type Accuracy, type Score } from '../rates/accuracy.ts'
import { readRecords } from '../rates/times.ts'

const score = {
  count: z.number(),
  medianError: z.number().nullable(),
  coverage: z.number().nullable(),
  bias: z.number().nullable(),
} as const

const output = z.object({
  records: z.number(),
  measured: z.object(score),
  assumed: z.object(score),
  ways: z.array(z.object({ way: z.string(), ...score })),
  steps: z.array(z.object({ step: z.string(), kind: z.string().nullable(), ...score })),
  worst: z.array(
    z.object({
      at: z.string(),
      way: z.string(),
      backup: z.string(),
      step: z.string().nullable(),
      measuredMs: z.number(),
      expectedMs: z.number(),
      lowMs: z.number(),
      highMs: z.number(),
    }),
  ),
})
type Output = z.output<typeof output>

export const accuracy = defineOperation<{ warehouse?: string | undefined }, Output>({
  name: 'recover accuracy',
  summary: 'how well predicted recovery times have held, step by step, and where they were wrong',
  description:
    'Every recovery and drill is predicted before it runs and scored after it. Shown are those whose prediction rested on measurements; first guesses are counted apart. An interval of 80 % is good if it holds 70 to 90 % of what happened.',
  input: z.strictObject({ warehouse: z.string().optional().describe('only of this warehouse') }),
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  run: async ({ warehouse }, context) => {
    const all = await readRecords(context.home)
    const records = all.filter((one) => warehouse === undefined || one.warehouse === warehouse)
    return jsonOf(accuracyOf(records), records.length)
  },
  text: accuracyText,
})

function scoreJson({ count, medianError, coverage, bias }: Score) {
  return { count, medianError: medianError ?? null, coverage: coverage ?? null, bias: bias ?? null }
}

function jsonOf(one: Accuracy, records: number): Output {
  return {
    records,
    measured: scoreJson(one.measured),
    assumed: scoreJson(one.assumed),
    ways: one.ways.map((way) => ({ way: way.way, ...scoreJson(way) })),
    steps: one.steps.map((step) => ({ step: step.step, kind: step.kind ?? null, ...scoreJson(step) })),
    worst: one.worst.map(({ predicted, step, ...rest }) => ({
      ...rest,
      step: step ?? null,
      expectedMs: predicted.expectedMs,
      lowMs: predicted.lowMs,
      highMs: predicted.highMs,
    })),
  }
}

function percent(share: number | null): string {
  return share === null ? '-' : `${Math.round(share * 100)} %`
}

function biasText(bias: number | null): string {
  return bias === null ? '-' : `× ${bias.toFixed(2)}`
}

export function accuracyText(one: Output): string {
  if (one.records === 0) return 'no recovery or drill has been carried out yet: all predicted times are first guesses'
  const row = (name: string, score: Output['measured']): readonly string[] => [
    name,
    String(score.count),
    percent(score.medianError),
    percent(score.coverage),
    biasText(score.bias),
  ]
  const table = formatTable(
    [
      'PREDICTED',
      { title: 'SCORED', right: true },
      { title: 'MEDIAN ERROR', right: true },
      { title: 'WITHIN 80 %', right: true },
      { title: 'MEASURED / PREDICTED', right: true },
    ],
    [
      row('whole', one.measured),
      ...one.ways.map((way) => row(`  ${way.way}`, way)),
      ...one.steps.map((step) => row(`  step ${step.step}${step.kind === null ? '' : ` (${step.kind})`}`, step)),
      ...(one.assumed.count > 0 ? [row('by first guesses', one.assumed)] : []),
    ],
  )
  const worst = one.worst.map(
    (bad) =>
      `  ${bad.at} ${bad.way} of ${bad.backup}: took ${formatDuration(bad.measuredMs)}, predicted ${formatDuration(bad.expectedMs)} (${formatDuration(bad.lowMs)} to ${formatDuration(bad.highMs)})${bad.step === null ? '' : `, most of it in step ${bad.step}`}`,
  )
  return [table, ...(worst.length > 0 ? ['', 'furthest off', ...worst] : [])].join('\n')
}
