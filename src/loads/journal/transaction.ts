// One load is one transaction: fence, settings, the work itself, journal, mark in WAL, commit. Exactly once, whoever dies when:
// the unique key (run, task, item) of the journal refuses a second time, the fence refuses a late worker.
import { timedId } from '../../base/random.ts'
import { codeOf } from '../../base/errors.ts'
import type { TaskExecution } from '../../runs/contract.ts'
import type { Session } from '../../warehouse/contract.ts'
import { errors } from '../errors.ts'

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
}

/** What is known once the work is done, for the journal. */
export interface LoadFacts {
  readonly inputs: readonly LoadInput[]
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
  await session.query('begin')
  try {
    await passFence(intent)
    const earlier = await findEarlier(intent)
    if (earlier) {
      await session.query('rollback')
      return earlier
    }
    const xid = await applySettings(intent, id)
    const before = await tableCounts(session)
    const facts = await work(id)
    const after = await tableCounts(session)
    const done = await writeJournal(intent, { id, xid, facts, changed: changes(before, after) })
    await session.query('commit')
    return done
  } catch (error) {
    await session.query('rollback').catch(() => {})
    throw error
  }
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

/** Parameters reach SQL as settings of the transaction. Returns its transaction id. */
async function applySettings(intent: LoadIntent, loadId: string): Promise<string> {
  const { task } = intent
  const settings: Record<string, string> = {
    ...intent.settings,
    'wharf.pipeline': task.run.pipeline,
    'wharf.task': task.task.name,
    'wharf.run_id': task.run.id,
    'wharf.load_id': loadId,
    'wharf.business_date': intent.businessDate ?? '',
    'wharf.file': intent.item,
  }
  await intent.session.query('select set_config(name, value, true) from jsonb_each_text($1) s(name, value)', [
    JSON.stringify(settings),
  ])
  const [row] = await intent.session.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
  return row!.xid
}

type Counts = ReadonlyMap<string, bigint>

/** Tuples written per table by this session and not reported yet, partitions counted for their root: PostgreSQL itself says what a load wrote. */
async function tableCounts(session: Session): Promise<Counts> {
  const rows = await session.query<{ name: string; count: string }>(
    `select n.nspname || '.' || c.relname as name, s.count::text from (
       select coalesce(pg_partition_root(relid), relid) as root, sum(n_tup_ins + n_tup_upd + n_tup_del) as count
       from pg_stat_xact_user_tables where n_tup_ins + n_tup_upd + n_tup_del > 0 group by 1
     ) s join pg_class c on c.oid = s.root join pg_namespace n on n.oid = c.relnamespace
     where n.nspname <> 'wharf' and c.relpersistence <> 't'`,
  )
  return new Map(rows.map((row) => [row.name, BigInt(row.count)]))
}

function changes(before: Counts, after: Counts): Counts {
  const changed = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0n)] as const)
  return new Map(changed.filter(([, count]) => count !== 0n))
}

interface Journaled {
  readonly id: string
  readonly xid: string
  readonly facts: LoadFacts
  readonly changed: Counts
}

async function writeJournal(intent: LoadIntent, entry: Journaled): Promise<LoadDone> {
  const { task, session } = intent
  const targets = [...entry.changed.keys()].sort()
  const rows = entry.facts.rows ?? [...entry.changed.values()].reduce((sum, count) => sum + count, 0n)
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
      JSON.stringify(Object.fromEntries([...entry.changed].map(([name, count]) => [name, Number(count)]))),
    ],
  )
  if (written.length === 0) throw errors.transactionEnded({ file: task.task.name })
  return { id: entry.id, rows, targets, now: true }
}

/** SQLSTATE classes of errors that can pass by themselves: connection, rollback by conflict, resources, locks, shutdown. */
export function isPassingState(error: unknown): boolean {
  return /^(08|40|53|55P03|57P|58)/.test(codeOf(error) ?? '')
}
