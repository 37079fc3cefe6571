import { readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'

import { codeOf } from '../../../base/errors.ts'
import { defineOperation, type OperationContext } from '../../../base/operation.ts'
import { formatDuration } from '../../../base/units.ts'
import { runRecovery, type RecoveryReport, type RecoveryRequest } from '../../../recovery/run-recovery.ts'
import { managedDataDirectory, startManaged } from '../../../warehouse/managed.ts'
import { endServer } from '../../../warehouse/servers.ts'
import { errors } from '../../errors.ts'
import { demoLayout, demoWarehouse } from '../layout.ts'
import { connectWhenUp } from '../prepare.ts'
import { differences, proveTables } from '../proof.ts'
import type { Disaster } from './disaster.ts'

const step = z.object({ step: z.string(), ms: z.number() })
const output = z.object({
  lsn: z.string(),
  backup: z.string(),
  tables: z.number(),
  rows: z.string(),
  equal: z.boolean(),
  different: z.array(z.string()),
  steps: z.array(step),
  durationMs: z.number(),
})

export const demoRecover = defineOperation({
  name: 'demo recover',
  summary: 'bring the demo back to just before its disaster, and prove it row by row',
  description:
    'Recovers into a folder beside the lost one with wharf recover, moves it into place, starts the server and compares every table with what the disaster noted.',
  input: z.strictObject({}),
  output,
  role: 'admin',
  danger: 'writes',
  errors: ['app.no-disaster', 'recovery.verify-failed'],
  needs: 'control',
  where: 'here',
  only: 'command-line',
  run: async (_input, context, signal) => {
    const disaster = await readDisaster(context)
    const started = context.clock.monotonic()
    const report = await recover(disaster, context, signal)
    const recoveredMs = context.clock.monotonic() - started
    context.progress({ phase: 'comparing', note: 'counting and hashing every table' })
    await using session = await connectWhenUp(context, signal)
    const after = await proveTables(session)
    const different = differences(disaster.proof, after)
    await rm(demoLayout(context.home).disasterFile, { force: true })
    const rows = after.reduce((sum, one) => sum + BigInt(one.rows), 0n).toString()
    const compareMs = context.clock.monotonic() - started - recoveredMs
    return {
      lsn: disaster.lsn,
      backup: report.plan.backup.id,
      tables: after.length,
      rows,
      equal: different.length === 0,
      different,
      steps: stepsOf(report, compareMs),
      durationMs: recoveredMs,
    }
  },
  text: (done) => {
    const verdict = done.equal
      ? `All ${done.tables} tables with ${done.rows} rows are exactly as they were just before the disaster.`
      : `NOT equal: ${done.different.join(', ')}`
    const times = done.steps.map((one) => `  ${one.step.padEnd(24)}${formatDuration(one.ms)}`)
    return [
      `Recovered to ${done.lsn} from backup ${done.backup} in ${formatDuration(done.durationMs)}.`,
      ...times,
      verdict,
    ].join('\n')
  },
  exit: (done) => (done.equal ? 'ok' : 'findings'),
})

async function readDisaster(context: OperationContext): Promise<Disaster> {
  const text = await readFile(demoLayout(context.home).disasterFile, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') throw errors.noDisaster(undefined)
    throw error
  })
  return JSON.parse(text) as Disaster
}

/** Beside the lost directory, then renamed into its place: `wharf up` never sees a half restored one. */
async function recover(disaster: Disaster, context: OperationContext, signal: AbortSignal): Promise<RecoveryReport> {
  const dataDirectory = managedDataDirectory(demoWarehouse, context)
  const beside = join(dirname(dataDirectory), 'data.recovered')
  await rm(beside, { recursive: true, force: true })
  const request: RecoveryRequest = {
    warehouse: demoWarehouse,
    toDirectory: beside,
    lsn: disaster.lsn,
    tablespace: {},
    original: true,
    allowCorrupt: false,
    start: true,
    verify: 'checksums',
    set: {},
    resume: false,
  }
  const report = await runRecovery(request, context, { report: (event) => context.progress(event), signal })
  await endServer({ dataDirectory: beside, mode: 'fast', clock: context.clock, signal })
  await rm(dataDirectory, { recursive: true, force: true })
  await rename(beside, dataDirectory)
  await startManaged(demoWarehouse, context, signal)
  return report
}

function stepsOf(report: RecoveryReport, compareMs: number): { step: string; ms: number }[] {
  const times = report.proof?.times
  return [
    { step: 'fetch and write', ms: report.restored.fetchMs },
    ...(times
      ? [
          { step: 'replay', ms: times.replayMs },
          { step: 'verify', ms: times.verifyMs },
        ]
      : []),
    { step: 'compare with the proof', ms: compareMs },
  ]
}
