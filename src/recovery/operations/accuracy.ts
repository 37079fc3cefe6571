import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatDuration } from '../../base/units.ts'
import { accuracyOf, isWithin, type Score, type ScoredRecovery, type StepKind } from '../rates/accuracy.ts'
import { readRecords, type RecoveryRecord } from '../rates/times.ts'

const score = {
  count: z.number(),
  medianError: z.number().nullable(),
  coverage: z.number().nullable(),
  bias: z.number().nullable().describe('median of measured / predicted'),
  expectedMs: z.number().nullable().describe('median of what was predicted'),
  measuredMs: z.number().nullable().describe('median of what was measured'),
} as const

const recovery = z.object({
  at: z.string(),
  warehouse: z.string(),
  way: z.string(),
  backup: z.string(),
  step: z.string().nullable().describe('the step that was off by the most time'),
  measuredMs: z.number(),
  expectedMs: z.number(),
  lowMs: z.number(),
  highMs: z.number(),
  basis: z.enum(['measured', 'assumed']),
  within: z.boolean().describe('whether it lay within the interval of 80 %'),
})

const output = z.object({
  records: z.number(),
  measured: z.object(score),
  assumed: z.object(score),
  ways: z.array(z.object({ way: z.string(), ...score })),
  steps: z.array(z.object({ step: z.string(), kind: z.string().nullable(), ...score })),
  guessed: z
    .array(z.object({ step: z.string(), kind: z.string().nullable(), ...score }))
    .describe('steps of which only first guesses were put to the test'),
  worst: z.array(recovery),
  recoveries: z.array(recovery).describe('the newest 200, newest first, those by first guesses as well'),
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
    return accuracyJson(records)
  },
  text: accuracyText,
})

function scoreJson({ count, medianError, coverage, bias, expectedMs, measuredMs }: Score) {
  return {
    count,
    medianError: medianError ?? null,
    coverage: coverage ?? null,
    bias: bias ?? null,
    expectedMs: expectedMs ?? null,
    measuredMs: measuredMs ?? null,
  }
}

function recoveryJson(one: ScoredRecovery): z.output<typeof recovery> {
  const { predicted, step, ...rest } = one
  const { expectedMs, lowMs, highMs, basis = 'assumed' } = predicted
  return { ...rest, step: step ?? null, expectedMs, lowMs, highMs, basis, within: isWithin(one) }
}

function stepJson({ step, kind, ...score }: StepKind & Score) {
  return { step, kind: kind ?? null, ...scoreJson(score) }
}

export function accuracyJson(records: readonly RecoveryRecord[]): Output {
  const one = accuracyOf(records)
  return {
    records: records.length,
    measured: scoreJson(one.measured),
    assumed: scoreJson(one.assumed),
    ways: one.ways.map((way) => ({ way: way.way, ...scoreJson(way) })),
    steps: one.steps.map((step) => stepJson(step)),
    guessed: one.guessed.map((step) => stepJson(step)),
    worst: one.worst.map((bad) => recoveryJson(bad)),
    recoveries: one.recoveries.map((recovery) => recoveryJson(recovery)),
  }
}

function percent(share: number | null): string {
  return share === null ? '-' : `${Math.round(share * 100)} %`
}

function durationOf(ms: number | null): string {
  return ms === null ? '-' : formatDuration(ms)
}

function nameOf({ step, kind }: { readonly step: string; readonly kind: string | null }): string {
  return kind === null ? step : `${step} (${kind})`
}

function biasText(bias: number | null): string {
  return bias === null ? '-' : `× ${bias.toFixed(2)}`
}

export function accuracyText(one: Output): string {
  if (one.records === 0) return 'no recovery or drill has been carried out yet: all predicted times are first guesses'
  const row = (name: string, score: Output['measured']): readonly string[] => [
    name,
    String(score.count),
    durationOf(score.expectedMs),
    durationOf(score.measuredMs),
    percent(score.medianError),
    percent(score.coverage),
    biasText(score.bias),
  ]
  const table = formatTable(
    [
      'PREDICTED',
      { title: 'SCORED', right: true },
      { title: 'SAID', right: true },
      { title: 'TOOK', right: true },
      { title: 'MEDIAN ERROR', right: true },
      { title: 'WITHIN 80 %', right: true },
      { title: 'MEASURED / PREDICTED', right: true },
    ],
    [
      row('whole', one.measured),
      ...one.ways.map((way) => row(`  ${way.way}`, way)),
      ...one.steps.map((step) => row(`  step ${nameOf(step)}`, step)),
      ...(one.assumed.count > 0 ? [row('by first guesses', one.assumed)] : []),
      ...one.guessed.map((step) => row(`  step ${nameOf(step)}`, step)),
    ],
  )
  const worst = one.worst.map(
    (bad) =>
      `  ${bad.at} ${bad.way} of ${bad.backup}: took ${formatDuration(bad.measuredMs)}, predicted ${formatDuration(bad.expectedMs)} (${formatDuration(bad.lowMs)} to ${formatDuration(bad.highMs)})${bad.step === null ? '' : `, most of it in step ${bad.step}`}`,
  )
  return [table, ...(worst.length > 0 ? ['', 'furthest off', ...worst] : [])].join('\n')
}
