// Tasks of kind `copy`: every new file of a source, in order, each in a transaction of its own.
import { isWharfError } from '../../base/errors.ts'
import type { TaskExecution, TaskKind } from '../../runs/contract.ts'
import { copyInput, type CopyInput } from '../inputs.ts'
import { openKeeping } from '../keep/keeping.ts'
import { openLoadSession } from '../session.ts'
import { chooseFiles, readLedger, type Choice } from '../source/choose.ts'
import { findFiles, type FoundFile } from '../source/find.ts'
import { parsePattern } from '../source/pattern.ts'
import { readSql } from '../sql/run.ts'
import { loadFile, type FileJob } from './load-file.ts'

/** What became of the files; the result of the task. */
export interface CopyResult {
  files: number
  rows: number
  bytes: number
  /** Names with reasons. */
  readonly refused: { readonly file: string; readonly code: string; readonly message: string }[]
  /** Loaded earlier and changed since, but `again` is `never`. */
  readonly changed: string[]
  /** Still being written; they wait for the next run. */
  readonly waiting: string[]
}

export const copyKind: TaskKind<CopyInput> = { name: 'copy', input: copyInput, execute: copyFiles }

/** Errors that speak about one file's content: with `skip_file` they leave out that file, everything else ends the task. */
const REFUSALS = new Set(
  [
    'empty-file',
    'bad-encoding',
    'zero-byte',
    'bad-gzip',
    'torn-line',
    'open-quote',
    'stray-quote',
    'field-count',
    'bad-header',
  ]
    .concat(['missing-column', 'extra-column', 'bad-value', 'missing-value', 'refused-by-server', 'statement-failed'])
    .map((name) => `loads.${name}`),
)

async function copyFiles(task: TaskExecution<CopyInput>, signal: AbortSignal): Promise<CopyResult> {
  const { input } = task
  const pattern = parsePattern(input.files)
  const before = input.before && (await readSql(input.before, 'before'))
  const after = input.after && (await readSql(input.after, 'after'))
  await using session = await openLoadSession(task, signal)
  await using keeping = await openKeeping(task, session, signal)
  const found = await findFiles(input.folder, pattern)
  const ledger = await readLedger(session, task.run.pipeline, task.task.name)
  const nowMs = task.context.clock.now()
  const choice = chooseFiles(found, { ledger, nowMs, settleMs: input.settleMs, again: input.again, dates: input.dates })
  const result = emptyResult(choice, input)
  await tellOthers(task, result)
  const started = { ms: task.context.clock.monotonic(), total: sumBytes(choice.load) }
  for (const [index, file] of choice.load.entries()) {
    const onProgress = (bytes: number): void =>
      report(task, { result, bytes, started, note: `${file.name} (${index + 1} of ${choice.load.length})` })
    onProgress(0)
    await one({ task, session, file, before, after, keep: keeping?.record(), signal, onProgress }, result)
    result.bytes += file.bytes
  }
  report(task, { result, bytes: 0, started, note: `${result.files} files` })
  return result
}

function emptyResult(choice: Choice, input: CopyInput): CopyResult {
  const changed = input.again === 'never' ? choice.touched.map((file) => file.name) : []
  return { files: 0, rows: 0, bytes: 0, refused: [], changed, waiting: choice.unsettled ? [choice.unsettled.name] : [] }
}

async function tellOthers(task: TaskExecution, result: CopyResult): Promise<void> {
  for (const name of result.changed)
    await task.log(`${name}: changed since it was loaded; not loaded again (again: never)`)
  for (const name of result.waiting)
    await task.log(`${name}: still being written; it and what follows it wait for the next run`)
}

async function one(job: FileJob, result: CopyResult): Promise<void> {
  const { task, file } = job
  try {
    const done = await loadFile(job)
    if ('same' in done) return
    result.files++
    result.rows += Number(done.rows)
    await task.log(`${file.name}: ${done.rows} rows${done.now ? '' : ' (committed by an earlier attempt)'}`)
  } catch (error) {
    if (task.input.onError === 'stop' || !isWharfError(error) || !REFUSALS.has(error.code)) throw error
    result.refused.push({ file: file.name, code: error.code, message: error.message })
    await task.log(`refused: ${error.message}`)
  }
}

interface Standing {
  readonly result: CopyResult
  /** Of the current file. */
  readonly bytes: number
  readonly started: { readonly ms: number; readonly total: number }
  readonly note: string
}

function report(task: TaskExecution, at: Standing): void {
  const done = at.result.bytes + at.bytes
  const elapsedMs = task.context.clock.monotonic() - at.started.ms
  const rate = elapsedMs > 0 ? (done / elapsedMs) * 1000 : 0
  const left = rate > 0 ? { leftMs: Math.round(((at.started.total - done) / rate) * 1000) } : {}
  task.progress({
    phase: 'copying',
    done,
    total: at.started.total,
    unit: 'bytes',
    note: at.note,
    rate: Math.round(rate),
    ...left,
  })
}

function sumBytes(files: readonly FoundFile[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0)
}
