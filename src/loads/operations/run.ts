import { z } from 'zod'

import { defineOperation, type OperationContext, type Progress } from '../../base/operation.ts'
import { runEngine, type RunView } from '../../runs/contract.ts'
import { errors } from '../errors.ts'
import { runOutput, runText, showRun, type RunOutput } from '../outputs.ts'
import { requestFor } from '../pipeline.ts'
import { isDate } from '../source/pattern.ts'

const date = z.string().refine(isDate, 'must be a date, written YYYY-MM-DD')

const input = z.object({
  pipeline: z.string().describe('name of a pipeline of wharf.yaml'),
  businessDate: date
    .optional()
    .describe("load only files of this business date; SQL sees it as current_setting('wharf.business_date')"),
  from: date.optional().describe('load only files from this business date on'),
  to: date.optional().describe('load only files up to this business date'),
  detach: z.boolean().default(false).describe('return once the run is queued; a worker of "wharf up" does it'),
  idempotencyKey: z.string().optional().describe('the same key again gives the run made first'),
})

export const loadRun = defineOperation<z.output<typeof input>, RunOutput>({
  name: 'load run',
  summary: 'run a pipeline now',
  description:
    'Loads what is new and runs the tasks of the pipeline. Waits for the end and shows progress, unless --detach is given. Ctrl-C cancels the run.\n\n' +
    'Example: wharf load run weather --from 2013-01-01 --to 2013-01-31',
  input,
  positional: ['pipeline'],
  output: runOutput,
  role: 'operator',
  danger: 'writes',
  errors: [
    'loads.unknown-pipeline',
    'loads.run-failed',
    'loads.run-cancelled',
    'loads.bad-date-range',
    'runs.unknown-kind',
    'runs.unknown-pool',
  ],
  needs: 'control',
  where: 'here',
  run: async (given, context, signal) => {
    const engine = await context.use(runEngine)
    const request = requestFor(context, given.pipeline, {
      trigger: 'manual',
      actor: context.actor,
      businessDate: given.businessDate,
      dates: datesOf(given),
      idempotencyKey: given.idempotencyKey,
    })
    if (given.detach) {
      const { runId } = await engine.submit(request)
      return showRun((await engine.get(runId))!)
    }
    const run = await engine.runHere(request, { context, signal, onProgress: (now) => tell(context, now) })
    return showRun(judged(run))
  },
  text: runText,
})

function datesOf(given: {
  from?: string | undefined
  to?: string | undefined
}): { from: string; to: string } | undefined {
  if (given.from === undefined && given.to === undefined) return undefined
  const dates = { from: given.from ?? '0000-01-01', to: given.to ?? '9999-12-31' }
  if (dates.from > dates.to) throw errors.badDateRange(dates)
  return dates
}

/** A run that did not succeed is an error that names its first failed task. */
export function judged(run: RunView): RunView {
  if (run.state === 'cancelled') throw errors.runCancelled({ run: run.id, pipeline: run.pipeline })
  if (run.state !== 'failed') return run
  const failed = run.tasks.find((task) => task.state === 'failed')
  throw errors.runFailed({
    run: run.id,
    pipeline: run.pipeline,
    problem: failed ? `task "${failed.name}": ${failed.error?.message ?? 'unknown'}` : 'unknown',
  })
}

/** Progress of the run: that of a running task, or how many tasks are done. */
function tell(context: OperationContext, run: RunView): void {
  const running = run.tasks.find((task) => task.state === 'running')
  const done = run.tasks.filter((task) => task.finishedAt !== undefined).length
  const ofTask = running?.progress
  const event: Progress = ofTask
    ? { ...ofTask, note: `${running.name}${ofTask.note === undefined ? '' : `: ${ofTask.note}`}` }
    : { phase: run.state, done, total: run.tasks.length, unit: 'count', ...(running ? { note: running.name } : {}) }
  context.progress(event)
}
