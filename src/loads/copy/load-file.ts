// One file into one table, in one transaction: wholly or not at all.
import { pipeline } from 'node:stream/promises'

import { from } from 'pg-copy-streams'

import { codeOf, isWharfError } from '../../base/errors.ts'
import type { TaskExecution } from '../../runs/contract.ts'
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { errors } from '../errors.ts'
import type { CopyInput } from '../inputs.ts'
import type { LoadRecorder } from '../keep/recorder.ts'
import { isPassingState, type LoadFacts, loadTransaction, type LoadDone } from '../journal/transaction.ts'
import type { FoundFile } from '../source/find.ts'
import { explainSql, runSql, type ReadSql } from '../sql/run.ts'
import { InputBytes } from './bytes.ts'
import { readCsv } from './csv.ts'
import { CopyEncoder } from './encode.ts'
import { checkMapping, planHeader, readTarget, type HeaderPlan, type Target } from './target.ts'

export interface FileJob {
  readonly task: TaskExecution<CopyInput>
  readonly session: Session
  readonly file: FoundFile
  readonly before: ReadSql | undefined
  readonly after: ReadSql | undefined
  /** With `keep: inputs`. */
  readonly keep: LoadRecorder | undefined
  readonly signal: AbortSignal
  /** Bytes of the file read so far. */
  onProgress(bytes: number): void
}

/** Loaded now; or found by its hash to be what was loaded before. */
export type FileDone = LoadDone | { readonly same: true }

class SameContent extends Error {}

/** Rejects with what is wrong with the file, and nothing of it is loaded. */
export async function loadFile(job: FileJob): Promise<FileDone> {
  const { task, session, file, keep } = job
  const businessDate = file.businessDate ?? task.run.businessDate
  try {
    const { logged } = task.input
    return await loadTransaction({ task, session, item: file.name, businessDate, logged, keep }, () => work(job))
  } catch (error) {
    if (error instanceof SameContent) {
      await noteTouch(job)
      return { same: true }
    }
    job.signal.throwIfAborted()
    throw explainSql(error, { name: file.name, text: '' })
  }
}

/** Same content under a new time of change: remembered, so that the next run need not read it again. */
async function noteTouch({ task, session, file }: FileJob): Promise<void> {
  await session.query('update wharf.load_file set modified_at = $4 where pipeline = $1 and task = $2 and name = $3', [
    task.run.pipeline,
    task.task.name,
    file.name,
    new Date(file.modifiedMs).toISOString(),
  ])
}

async function work(job: FileJob): Promise<LoadFacts> {
  const { task, session, file, keep } = job
  if (job.before) await scripted(job, job.before)
  const target = await readTarget(session, task.input.into, task.input.warehouse)
  checkMapping(target, task.input)
  if (task.input.mode === 'replace') {
    const sql = `truncate ${target.sql}`
    keep?.statement(sql)
    await session.query(sql)
  }
  await using bytes = await InputBytes.open(file, job.signal)
  const rows = await copyIn(job, target, bytes)
  const { sha256 } = await bytes.finish()
  const input = { name: file.name, sha256, bytes: file.bytes }
  await keep?.copied(rows, input)
  await writeLedger(job, sha256)
  if (job.after) await scripted(job, job.after)
  const scripts = [job.before, job.after].flatMap((sql) => (sql ? [sql.input] : []))
  return { inputs: [input, ...scripts], rows: BigInt(rows), file: { ...input, modifiedMs: file.modifiedMs } }
}

async function scripted({ session, file, keep }: FileJob, sql: ReadSql): Promise<void> {
  await keep?.script(sql)
  await runSql(session, sql, file.name)
}

async function copyIn(job: FileJob, target: Target, bytes: InputBytes): Promise<number> {
  const { task, session, file } = job
  const format = { delimiter: task.input.delimiter, quote: task.input.quote, finalNewline: task.input.finalNewline }
  const batches = readCsv(bytes.chunks(), format, file.name)
  const first = await batches.next()
  const [header, ...rest] = first.done ? [] : first.value
  if (!header) throw errors.emptyFile({ file: file.name })
  const columnOf = (index: number): number => header.placeOf(index).column
  const plan = planHeader({ names: header.fields, file: file.name, columnOf }, target, task.input)
  const encoder = new CopyEncoder(plan, task.input, file.name)
  const sql = copySql(target, plan)
  const sent = job.keep?.copy(sql)
  const kept = async (batch: Buffer): Promise<Buffer> => {
    await sent?.write(batch)
    return batch
  }
  const encoded = async function* (): AsyncGenerator<Buffer> {
    if (rest.length > 0) yield await kept(encoder.encode(rest))
    for await (const batch of batches) {
      yield await kept(encoder.encode(batch))
      job.onProgress(bytes.read)
    }
  }
  const copy = session.client.query(from(sql))
  try {
    await pipeline(encoded(), copy)
  } catch (error) {
    throw explainCopy(error, { file: file.name, encoder, plan })
  }
  return encoder.rows
}

function copySql(target: Target, plan: HeaderPlan): string {
  const columns = plan.fields.flatMap((field) => (field ? [quoteName(field.column.name)] : []))
  return `copy ${target.sql} (${columns.join(', ')}) from stdin with (format text, encoding 'UTF8')`
}

/** The row of the ledger. A file that is there with the same content is no load. */
async function writeLedger(job: FileJob, sha256: string): Promise<void> {
  const { task, session, file } = job
  const rows = await session.query(
    `insert into wharf.load_file as f (pipeline, task, name, sha256, bytes, modified_at, business_date, load_id)
     values ($1, $2, $3, $4, $5, $6, $7, current_setting('wharf.load_id'))
     on conflict (pipeline, task, name) do update set sha256 = excluded.sha256, bytes = excluded.bytes, modified_at = excluded.modified_at,
       load_id = excluded.load_id, loaded_at = excluded.loaded_at
     where f.sha256 <> excluded.sha256 and $8 returning name`,
    [
      task.run.pipeline,
      task.task.name,
      file.name,
      sha256,
      file.bytes,
      new Date(file.modifiedMs).toISOString(),
      file.businessDate ?? null,
      task.input.again === 'when_changed',
    ],
  )
  if (rows.length === 0) throw new SameContent()
}

interface CopyPlace {
  readonly file: string
  readonly encoder: CopyEncoder
  readonly plan: HeaderPlan
}

/** What the server refused, at its line of the file. PostgreSQL says `COPY t, line 3, column c: "x"`. */
function explainCopy(error: unknown, at: CopyPlace): unknown {
  if (isWharfError(error) || isPassingState(error) || codeOf(error) === undefined) return error
  const { message, where, column, detail } = error as {
    message: string
    where?: string
    column?: string
    detail?: string
  }
  const context = /^COPY .*?, line (\d+)(?:, column ([^:\n]+))?/m.exec(where ?? '')
  if (!context) return error
  const target = context[2] ?? column
  const index = at.plan.fields.findIndex((field) => field?.column.name === target)
  const reason = detail === undefined ? message : `${message} (${detail})`
  return errors.refusedByServer(
    { file: at.file, line: at.encoder.lineOf(Number(context[1])), name: at.plan.names[index] ?? target, reason },
    { cause: error },
  )
}
