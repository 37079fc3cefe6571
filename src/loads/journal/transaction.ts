// One load is one transaction: fence, settings, the work itself, journal, mark in WAL, commit. Exactly once, whoever dies when:
// the unique key (run, task, item) of the journal refuses a second time, the fence refuses a late worker.
import { timedId } from '../../base/random.ts'
import { codeOf } from '../../base/errors.ts'
import type { TaskExecution } from '../../runs/contract.ts'
import type { Session } from '../../warehouse/contract.ts'
import { errors } from '../errors.ts'
import type { LoadRecorder } from '../keep/recorder.ts'
import { changes, tableCounts, type Changes } from './changes.ts'

export interface LoadInput {
  readonly name: string
  readonly sha256: string
  readonly bytes: number
}

/** What a load says of itself before it starts. */
export interface LoadIntent {
  readonly task: TaskExecution
  readonly session: Session
  /** What of the task this transaction does: the name of a file; empty where it is the whole task. */
  readonly item: string
  readonly businessDate: string | undefined
  readonly logged: boolean
  readonly settings?: Readonly<Record<string, string>>
  /** With `keep: inputs`: what was done is in the repositories before it commits. */
  readonly keep?: LoadRecorder | undefined
}

/** What is known once the work is done, for the journal. */
export interface LoadFacts {
  readonly inputs: readonly LoadInput[]
  /** The row of the ledger that it wrote. */
  readonly file?: LoadInput & { readonly modifiedMs: number }
  /** Rows read from files; undefined: those that PostgreSQL counted as inserted, updated and deleted. */
  readonly rows: bigint | undefined
}

export interface LoadDone {
  readonly id: string
  readonly rows: bigint
  readonly targets: readonly string[]
  /** False where an earlier attempt had committed it already. */
  readonly now: boolean
}

/** Runs `work` in the load's transaction. Nothing has happened if it rejects, unless the connection broke during the commit itself. */
export async function loadTransaction(
  intent: LoadIntent,
  work: (loadId: string) => Promise<LoadFacts>,
): Promise<LoadDone> {
  const { session, task } = intent
  const { clock, random } = task.context
  const id = timedId(clock.now(), random)
  let isSent = false
  await session.query('begin')
  try {
    await passFence(intent)
    const earlier = await findEarlier(intent)
    if (earlier) {
      await session.query('rollback')
      return earlier
    }
    const { xid, parameters } = await applySettings(intent, id)
    const before = await tableCounts(session)
    const started = clock.monotonic()
    const facts = await work(id)
    const workMs = Math.round(clock.monotonic() - started)
    const changed = changes(before, await tableCounts(session))
    const position = await intent.keep?.position()
    const done = await writeJournal(intent, { id, xid, facts, changed })
    if (intent.keep && position)
      await intent.keep.commit({ ...position, intent, id, xid, parameters, facts, changed, workMs, done })
    isSent = true
    await session.query('commit')
    return done
  } catch (error) {
    await session.query('rollback').catch(() => {})
    // Whether a commit whose answer was lost took effect, WAL knows alone.
    if (!isSent || isRefusal(error)) await intent.keep?.withdraw(id)
    throw error
  }
}

/** The server answered, and the answer was no. EPIPE and its like are no answer: no class of SQLSTATE begins with E. */
export function isRefusal(error: unknown): boolean {
  return /^(?!08|57|58|XX|E)[0-9A-Z]{5}$/.test(codeOf(error) ?? '')
}

/** Holds the fence's row until the end of the transaction: a late worker waits for it and is then refused. */
async function passFence(intent: LoadIntent): Promise<void> {
  const { pipeline } = intent.task.run
  const { name } = intent.task.task
  const rows = await intent.session.query(
    `insert into wharf.load_fence as f (pipeline, task, token) values ($1, $2, $3)
     on conflict (pipeline, task) do update set token = excluded.token where f.token <= excluded.token returning token`,
    [pipeline, name, intent.task.token.toString()],
  )
  if (rows.length === 0) throw errors.fenced({ pipeline, task: name })
}

async function findEarlier(intent: LoadIntent): Promise<LoadDone | undefined> {
  const [row] = await intent.session.query<{ id: string; rows: string; targets: string[] }>(
    'select id, rows::text, targets from wharf.load_journal where run_id = $1 and task = $2 and item = $3',
    [intent.task.run.id, intent.task.task.name, intent.item],
  )
  return row && { id: row.id, rows: BigInt(row.rows), targets: row.targets, now: false }
}

/** Parameters reach SQL as settings of the transaction. */
async function applySettings(
  intent: LoadIntent,
  loadId: string,
): Promise<{ xid: string; parameters: Readonly<Record<string, string>> }> {
  const { task } = intent
  const parameters: Record<string, string> = {
    ...intent.settings,
    'wharf.pipeline': task.run.pipeline,
    'wharf.task': task.task.name,
    'wharf.run_id': task.run.id,
    'wharf.load_id': loadId,
    'wharf.business_date': intent.businessDate ?? '',
    'wharf.file': intent.item,
  }
  await intent.session.query('select set_config(name, value, true) from jsonb_each_text($1) s(name, value)', [
    JSON.stringify(parameters),
  ])
  const [row] = await intent.session.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
  return { xid: row!.xid, parameters }
}

interface Journaled {
  readonly id: string
  readonly xid: string
  readonly facts: LoadFacts
  readonly changed: Changes
}

async function writeJournal(intent: LoadIntent, entry: Journaled): Promise<LoadDone> {
  const { task, session } = intent
  const { written: counts } = entry.changed
  const targets = [...counts.keys()].sort()
  const rows = entry.facts.rows ?? [...counts.values()].reduce((sum, count) => sum + count, 0n)
  const written = await session.query(
    `insert into wharf.load_journal (id, pipeline, task, run_id, item, token, xid, business_date, started_at, targets, inputs, rows, logged, written)
     select $1, $2, $3, $4, $5, $6, pg_current_xact_id(), $7, now(), $8, $9, $10, $11, $13 where pg_current_xact_id() = $12::xid8
     returning pg_logical_emit_message(true, 'wharf.load', $1)`,
    [
      entry.id,
      task.run.pipeline,
      task.task.name,
      task.run.id,
      intent.item,
      task.token.toString(),
      intent.businessDate ?? null,
      targets,
      JSON.stringify(entry.facts.inputs),
      rows.toString(),
      intent.logged,
      entry.xid,
      JSON.stringify(Object.fromEntries([...counts].map(([name, count]) => [name, Number(count)]))),
    ],
  )
  if (written.length === 0) throw errors.transactionEnded({ file: task.task.name })
  return { id: entry.id, rows, targets, now: true }
}

/** SQLSTATE classes of errors that can pass by themselves: connection, rollback by conflict, resources, locks, shutdown. */
export function isPassingState(error: unknown): boolean {
  return /^(08|40|53|55P03|57P|58)/.test(codeOf(error) ?? '')
}
