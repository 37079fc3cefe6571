import { z } from 'zod'

import { duration } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatDuration } from '../../base/units.ts'
import { auditProblems } from '../drills/audited.ts'
import { findingText } from '../drills/damage.ts'
import type { Evidence } from '../drills/evidence.ts'
import { drillsOf } from '../drills/unended.ts'
import { scoreOf } from '../rates/accuracy.ts'

const drill = z.object({
  id: z.string(),
  at: z.string(),
  outcome: z.string(),
  target: z.string().nullable(),
  backup: z.string().nullable(),
  recoveryMs: z.number().nullable(),
  predictedMs: z.number().nullable(),
  findings: z.array(z.string()),
})
const output = z.object({
  from: z.string(),
  to: z.string(),
  warehouses: z.array(
    z.object({
      warehouse: z.string(),
      passed: z.number(),
      failed: z.number(),
      cancelled: z.number(),
      interrupted: z.number().describe('killed: a later drill noticed'),
      lastPassed: drill.nullable(),
      lastFailed: drill.nullable(),
      medianError: z.number().nullable(),
      coverage: z.number().nullable(),
      drills: z.array(drill),
    }),
  ),
  problems: z.array(z.string()).describe('evidence that was edited or removed'),
  fingerprint: z.string().nullable(),
  markdown: z.boolean(),
})
type Output = z.output<typeof output>
type Line = z.output<typeof drill>

export const drillReport = defineOperation({
  name: 'drill report',
  summary: 'what has been proven by drills, how long it took, and whether the evidence is whole',
  description:
    'For the people who ask whether the backups work: all drills of a time, by warehouse, with what they found.\n\nwharf drill report --since 90d --markdown > drills.md',
  input: z.strictObject({
    warehouse: z.string().optional().describe('only of this warehouse'),
    since: duration().prefault('365d').describe('how far back'),
    markdown: z.boolean().default(false).describe('as Markdown'),
  }),
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  run: async ({ warehouse, since, markdown }, context): Promise<Output> => {
    const { archive, audited, here } = await drillsOf(context)
    const now = context.clock.now()
    const drills = archive.drills
      .flatMap(({ evidence, problems }) => (evidence && problems.length === 0 ? [evidence] : []))
      .filter((one) => Date.parse(one.startedAt) >= now - since)
      .filter((one) => warehouse === undefined || one.warehouse === warehouse)
    const edited = archive.drills.flatMap(({ number, evidence, problems }) =>
      problems.map((problem) => `drill ${evidence?.id ?? `number ${number}`}: ${problem}`),
    )
    const names = [...new Set(drills.map((one) => one.warehouse))].toSorted()
    return {
      from: new Date(now - since).toISOString(),
      to: new Date(now).toISOString(),
      warehouses: names.map((name) =>
        ofWarehouse(
          name,
          drills.filter((one) => one.warehouse === name),
        ),
      ),
      problems: [...edited, ...archive.problems, ...auditProblems(archive, audited, here)],
      fingerprint: archive.fingerprint ?? null,
      markdown,
    }
  },
  text: (report) => (report.markdown ? reportMarkdown(report) : reportText(report)),
  exit: ({ problems }) => (problems.length > 0 ? 'findings' : 'ok'),
})

function ofWarehouse(warehouse: string, drills: readonly Evidence[]): Output['warehouses'][number] {
  const count = (outcome: Evidence['outcome']): number => drills.filter((one) => one.outcome === outcome).length
  const last = (outcome: Evidence['outcome']): Line | null => {
    const found = drills.findLast((one) => one.outcome === outcome)
    return found ? lineOf(found) : null
  }
  const scored = drills.flatMap(({ recoveryMs, predicted }) =>
    recoveryMs !== null && predicted?.basis === 'measured' ? [{ measuredMs: recoveryMs, predicted }] : [],
  )
  const { medianError, coverage } = scoreOf(scored)
  return {
    warehouse,
    passed: count('passed'),
    failed: count('failed'),
    cancelled: count('cancelled'),
    interrupted: count('interrupted'),
    lastPassed: last('passed'),
    lastFailed: last('failed'),
    medianError: medianError ?? null,
    coverage: coverage ?? null,
    drills: drills.map(lineOf),
  }
}

function lineOf(one: Evidence): Line {
  return {
    id: one.id,
    at: one.startedAt,
    outcome: one.outcome,
    target: one.target?.asked ?? null,
    backup: one.backup,
    recoveryMs: one.recoveryMs,
    predictedMs: one.predicted?.expectedMs ?? null,
    findings: one.findings.map(findingText),
  }
}

function timesText({ recoveryMs, predictedMs }: Line): string {
  const took = recoveryMs === null ? '-' : formatDuration(recoveryMs)
  return predictedMs === null ? took : `${took} (predicted ${formatDuration(predictedMs)})`
}

function countsText({ passed, failed, cancelled, interrupted }: Output['warehouses'][number]): string {
  const killed = interrupted === 0 ? '' : `, ${interrupted} interrupted`
  return `${passed} passed, ${failed} failed, ${cancelled} cancelled${killed}`
}

function accuracyLine({ medianError, coverage }: Output['warehouses'][number]): string {
  return medianError === null || coverage === null
    ? 'no prediction rested on measurements yet'
    : `median error of predicted times ${Math.round(medianError * 100)} %, ${Math.round(coverage * 100)} % within their interval`
}

function reportText(report: Output): string {
  const parts = report.warehouses.map((one) =>
    [
      `${one.warehouse}: ${countsText(one)}`,
      `  last passed  ${one.lastPassed ? `${one.lastPassed.at}, ${timesText(one.lastPassed)}` : 'never'}`,
      ...(one.lastFailed ? [`  last failed  ${one.lastFailed.at}: ${one.lastFailed.findings.join('; ')}`] : []),
      `  ${accuracyLine(one)}`,
      ...one.drills.map((line) => `  ${line.at}  ${line.outcome.padEnd(11)}  ${timesText(line)}  ${line.id}`),
    ].join('\n'),
  )
  return [
    `drills from ${report.from} to ${report.to}`,
    ...(parts.length === 0 ? ['none'] : parts),
    evidenceLine(report),
    ...report.problems.map((one) => `WRONG: ${one}`),
  ].join('\n\n')
}

function evidenceLine({ problems, fingerprint }: Output): string {
  if (problems.length > 0) return 'The evidence is NOT as it was written:'
  return fingerprint === null
    ? 'No evidence was kept yet.'
    : `All evidence is as it was written, signed by key ${fingerprint}.`
}

function reportMarkdown(report: Output): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  const parts = report.warehouses.flatMap((one) => [
    `## ${one.warehouse}`,
    '',
    `${countsText(one)}; ${accuracyLine(one)}.`,
    '',
    '| when | outcome | target | backup | took | found | drill |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...one.drills.map(
      (line) =>
        `| ${line.at} | ${line.outcome} | ${cell(line.target ?? '')} | ${line.backup ?? ''} | ${timesText(line)} | ${cell(line.findings.join('; '))} | ${line.id} |`,
    ),
    '',
  ])
  return [
    '# Drills',
    '',
    `From ${report.from} to ${report.to}. ${evidenceLine(report)}`,
    ...report.problems.map((one) => `- ${one}`),
    '',
    ...parts,
  ]
    .join('\n')
    .trimEnd()
}
