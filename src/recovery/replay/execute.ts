// One kept load again, in one transaction with the record that it was.
import type { Repository, KeptContent, KeptLoad, KeptStep } from '../../repository/contract.ts'
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { copyIn } from '../../warehouse/copy-stream.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { replayErrors as errors } from './errors.ts'
import { nameOf, type Chosen } from './choose.ts'

/** A relation into which the replay wrote another number of rows than the load had. */
export interface Difference {
  readonly relation: string
  readonly rows: number
  readonly was: number
}

export interface ExecuteTools {
  readonly repository: Repository
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
}

/** Nothing has happened if it rejects, unless the connection broke during the commit itself: then the next replay finds out. */
export async function executeLoad(
  session: Session,
  chosen: Chosen,
  tools: ExecuteTools,
): Promise<readonly Difference[]> {
  const { load } = chosen
  await session.query(`begin isolation level ${load.isolation}`)
  try {
    await record(session, chosen)
    for (const table of chosen.empty) await emptyTable(session, table)
    await become(session, load)
    const before = await counts(session)
    for (const step of load.steps) await execute(session, step, { ...tools, load })
    const differences = compare(load, before, await counts(session))
    await session.query('reset session authorization')
    await session.query('commit')
    return differences
  } catch (error) {
    await session.query('rollback').catch(() => {})
    tools.signal.throwIfAborted()
    throw explain(error, load)
  }
}

/** What makes a second time find that it is there: the mark beside its unlogged tables; for a load that the server did not hold its journal too. */
async function record(session: Session, { load, mode }: Chosen): Promise<void> {
  const roots = [...new Set(load.unlogged.map((one) => one.root))]
  await session.query('insert into wharf.load_replayed (load_id, relation) select $1, unnest($2::text[])', [
    load.id,
    roots,
  ])
  if (mode === 'after') await writeJournal(session, load)
}

async function writeJournal(session: Session, { id, journal, file }: KeptLoad): Promise<void> {
  await session.query(
    `insert into wharf.load_fence as f (pipeline, task, token) values ($1, $2, $3)
     on conflict (pipeline, task) do update set token = greatest(f.token, excluded.token)`,
    [journal.pipeline, journal.task, journal.token],
  )
  await session.query(
    `insert into wharf.load_journal (id, pipeline, task, run_id, item, token, xid, business_date, started_at, targets, inputs, rows, logged, written)
     values ($1, $2, $3, $4, $5, $6, pg_current_xact_id(), $7, $8, $9, $10, $11, $12, $13)
     returning pg_logical_emit_message(true, 'wharf.load', $1)`,
    [
      id,
      journal.pipeline,
      journal.task,
      journal.runId,
      journal.item,
      journal.token,
      journal.businessDate,
      journal.startedAt,
      Object.keys(journal.written).sort(),
      JSON.stringify(journal.inputs),
      journal.rows,
      journal.logged,
      JSON.stringify(journal.written),
    ],
  )
  if (!file) return
  await session.query(
    `insert into wharf.load_file (pipeline, task, name, sha256, bytes, modified_at, business_date, load_id) values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (pipeline, task, name) do update set sha256 = excluded.sha256, bytes = excluded.bytes, modified_at = excluded.modified_at,
       load_id = excluded.load_id, loaded_at = excluded.loaded_at`,
    [
      journal.pipeline,
      journal.task,
      file.name,
      file.sha256,
      file.bytes,
      new Date(file.modifiedMs).toISOString(),
      journal.businessDate,
      id,
    ],
  )
}

/** What of it is not logged: a partition that is has come back by WAL. */
async function emptyTable(session: Session, table: string): Promise<void> {
  const rows = await session.query<{ name: string }>(
    `with root as (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname || '.' || c.relname = $1)
     select c.oid::regclass::text as name from pg_class c
      where c.relkind = 'r' and c.relpersistence = 'u' and c.oid in (select oid from root union select t.relid from root cross join lateral pg_partition_tree(root.oid) t) order by 1`,
    [table],
  )
  if (rows.length > 0) await session.query(`truncate ${rows.map(({ name }) => `only ${name}`).join(', ')}`)
}

/** The settings, the role and the parameters of the load, for this transaction. Some settings only a superuser may set: they come first, where they differ. */
async function become(session: Session, load: KeptLoad): Promise<void> {
  const set = `select set_config(name, value, true) from jsonb_each_text($1) s(name, value) where current_setting(name, true) is distinct from value`
  await session.query(set, [JSON.stringify(load.settings)])
  const [row] = await session.query<{ role: string }>('select session_user::text as role')
  if (row?.role !== load.role) await session.query(`set local session authorization ${quoteName(load.role)}`)
  await session.query(set, [JSON.stringify(load.parameters)])
}

async function execute(session: Session, step: KeptStep, of: ExecuteTools & { load: KeptLoad }): Promise<void> {
  const { repository, signal, onBytes } = of
  switch (step.kind) {
    case 'statement':
      await session.query(step.sql)
      return
    case 'script':
      await session.query(await textOf(step.content, of))
      onBytes(step.content.bytes)
      return
    case 'copy':
      await copyIn(session, step.sql, counted(repository.kept.read(step.content, signal), onBytes))
      return
    case 'command':
      throw new TypeError(`load ${of.load.id} is a command`)
  }
}

async function textOf(content: KeptContent, { repository, signal }: ExecuteTools): Promise<string> {
  const parts: Buffer[] = []
  for await (const piece of repository.kept.read(content, signal)) parts.push(piece)
  return Buffer.concat(parts).toString('utf8')
}

async function* counted(stream: AsyncIterable<Buffer>, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const piece of stream) {
    yield piece
    onBytes(piece.length)
  }
}

type Counts = ReadonlyMap<string, number>

/** Rows written by this session and not reported yet, partitions under their root: as the journal counted them. */
async function counts(session: Session): Promise<Counts> {
  const rows = await session.query<{ name: string; count: string }>(
    `select n.nspname || '.' || c.relname as name, s.count::text from (
       select coalesce(pg_catalog.pg_partition_root(relid), relid) as root, sum(n_tup_ins + n_tup_upd + n_tup_del) as count
         from pg_catalog.pg_stat_xact_user_tables where n_tup_ins + n_tup_upd + n_tup_del > 0 group by 1
     ) s join pg_catalog.pg_class c on c.oid = s.root join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname <> 'wharf' and c.relpersistence <> 't'`,
  )
  return new Map(rows.map((row) => [row.name, Number(row.count)]))
}

function compare(load: KeptLoad, before: Counts, after: Counts): readonly Difference[] {
  const { written } = load.journal
  const names = new Set([...Object.keys(written), ...after.keys()])
  return [...names].flatMap((relation) => {
    const rows = (after.get(relation) ?? 0) - (before.get(relation) ?? 0)
    const was = written[relation] ?? 0
    return rows === was ? [] : [{ relation, rows, was }]
  })
}

function explain(error: unknown, load: KeptLoad): unknown {
  if (isWharfError(error) && !error.code.startsWith('warehouse.')) return error
  return errors.replayFailed(
    { load: load.id, what: nameOf(load), at: formatLsn(load.lsn), why: messageOf(error) },
    { cause: error },
  )
}
