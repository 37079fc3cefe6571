// Puts rows back into a live table, by primary key, in the caller's transaction: those that are missing come back, those that were changed become what they were. What came
// later stays.
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { tableErrors as errors } from '../table-errors.ts'
import { compareColumns, joinOn, keyOf, rowsDiffer } from './diff.ts'
import { liveTree } from './live.ts'
import { shownName, sqlName } from './names.ts'

export interface Merged {
  readonly inserted: number
  readonly restored: number
}

/** `then`: qualified name of the recovered table. Rejects with `recovery.no-key`, `.other-key`, `.cannot-merge`. */
export async function mergeTable(
  session: Session,
  then: string,
  live: { readonly oid: number; readonly schema: string; readonly name: string },
): Promise<Merged> {
  const now = sqlName(live)
  await session.query(`lock table ${now} in share row exclusive mode`)
  const { key, shared, columns } = await compareColumns(session, then, now)
  if (columns.onlyThen.length > 0 || columns.otherType.length > 0)
    throw errors.cannotMerge({ table: shownName(live), gone: columns.onlyThen, other: columns.otherType })
  const keyNow = await keyOf(session, now)
  if (key === undefined || keyNow === undefined) throw errors.noKey({ table: shownName(live) })
  // By another key one row of then would be put over many of now.
  const [names, namesNow] = [key, keyNow].map((one) => one.map(({ name }) => name).toSorted())
  if (names!.join() !== namesNow!.join())
    throw errors.otherKey({ table: shownName(live), old: names!, live: namesNow! })
  const triggers = await silence(session, live.oid)
  const rest = shared.filter((name) => !key.some((one) => one.name === name))
  const restored =
    rest.length === 0
      ? 0
      : await counted(
          session,
          `update ${now} n set ${rest.map((name) => `${quoteName(name)} = t.${quoteName(name)}`).join(', ')}
             from ${then} t where ${joinOn(key, 't', 'n')} and ${rowsDiffer(rest, 't', 'n')}`,
        )
  const list = shared.map(quoteName).join(', ')
  const inserted = await counted(
    session,
    `insert into ${now} (${list}) overriding system value select ${list} from ${then} t where not exists (select from ${now} n where ${joinOn(key, 't', 'n')})`,
  )
  for (const sql of triggers) await session.query(sql)
  return { inserted, restored }
}

async function counted(session: Session, sql: string): Promise<number> {
  const [row] = await session.query<{ count: string }>(
    `with done as (${sql} returning 1) select count(*)::text as count from done`,
  )
  return Number(row!.count)
}

/** Rows that come back are not new rows: users' triggers do not fire for them. Foreign keys are checked all the same. Returns what makes them as they were. */
async function silence(session: Session, root: number): Promise<readonly string[]> {
  const tree = await liveTree(session, root)
  const rows = await session.query<{ table: string; name: string; state: string }>(
    `select pg_catalog.format('%I.%I', n.nspname, c.relname) as table, pg_catalog.quote_ident(t.tgname) as name,
            case t.tgenabled when 'A' then 'enable always' when 'R' then 'enable replica' else 'enable' end as state
       from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where t.tgrelid = any($1::oid[]) and not t.tgisinternal and t.tgenabled <> 'D' order by 1, 2`,
    [tree.map((one) => one.oid)],
  )
  for (const one of rows) await session.query(`alter table only ${one.table} disable trigger ${one.name}`)
  return rows.map((one) => `alter table only ${one.table} ${one.state} trigger ${one.name}`)
}
