// The last step, in one transaction of the live server: recovered tables go from their staging to where they belong, and with `swap` into the place of the live ones, which
// are kept under another name.
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { tableErrors as errors } from '../table-errors.ts'
import { foreignKeyViolation } from './keys-hold.ts'
import { dependentsOf, inTheWay, liveTree, type Dependents } from './live.ts'
import { keptName, literal, shownName, sqlName } from './names.ts'
import { goOnFrom } from './sequences.ts'
import { ownership, type Making } from './statements.ts'

/** A live table that gives way. */
export interface Replaced {
  readonly live: { readonly oid: number; readonly schema: string; readonly name: string }
  /** oid, in the sandbox, of the table that takes its place. */
  readonly by: number
}

export interface Put {
  /** Names under which replaced tables are kept. */
  readonly kept: readonly { readonly table: string; readonly keptAs: string }[]
  /** What an operator should know of it. */
  readonly notes: readonly string[]
}

/** Runs within the caller's transaction. `ending` makes the names under which old tables are kept. */
export async function putInPlace(
  session: Session,
  making: Making,
  of: { readonly replaced: readonly Replaced[]; readonly ending: string },
): Promise<Put> {
  const undone = await giveWay(session, making, of)
  for (const one of making.definitions) {
    const placed = making.naming.tables.get(one.oid)!
    await revokeDefaults(session, placed)
    await session.query(
      `alter table ${sqlName({ schema: placed.staging, name: placed.name })} set schema ${quoteName(placed.schema)}`,
    )
  }
  for (const placed of making.naming.statistics.values())
    await session.query(
      `alter statistics ${sqlName({ schema: placed.staging, name: placed.name })} set schema ${quoteName(placed.schema)}`,
    )
  await takePlace(session, making, { ...of, undone })
  for (const one of making.definitions) for (const sql of ownership(one, making)) await session.query(sql)
  // Not cascading: nothing may be left in them.
  for (const staging of making.naming.stagings.values()) await session.query(`drop schema ${quoteName(staging)}`)
  return { kept: undone.kept, notes: undone.notes }
}

/** What default privileges of the live server have given to a new table is none of the table's own. */
async function revokeDefaults(session: Session, placed: { staging: string; name: string }): Promise<void> {
  const table = sqlName({ schema: placed.staging, name: placed.name })
  const rows = await session.query<{ grantee: string | null }>(
    `select distinct case when a.grantee = 0 then null else pg_catalog.pg_get_userbyid(a.grantee) end as grantee
       from pg_catalog.pg_class c cross join lateral pg_catalog.aclexplode(c.relacl) a where c.oid = $1::regclass and a.grantee <> c.relowner`,
    [table],
  )
  for (const { grantee } of rows)
    await session.query(`revoke all on table ${table} from ${grantee === null ? 'public' : quoteName(grantee)}`)
}

interface Undone extends Pick<Put, 'notes'> {
  readonly kept: readonly { readonly table: string; readonly keptAs: string }[]
  readonly dependents: Dependents
  /** By oid of the live table: the partitioned table that it was a part of, with its bounds; tables that it inherited from. */
  readonly parents: ReadonlyMap<
    number,
    { readonly partition?: { parent: string; bound: string }; readonly inherited: readonly string[] }
  >
}

async function giveWay(
  session: Session,
  making: Making,
  of: { readonly replaced: readonly Replaced[]; readonly ending: string },
): Promise<Undone> {
  const trees = []
  for (const { live } of of.replaced) {
    await session.query(`lock table ${sqlName(live)} in access exclusive mode`)
    trees.push(...(await liveTree(session, live.oid)))
  }
  const dependents = await dependentsOf(
    session,
    trees.map((one) => one.oid),
  )
  const hindering = inTheWay(dependents, new Set(of.replaced.map(({ live }) => live.oid)))
  if (hindering.length > 0)
    throw errors.cannotSwap({ tables: of.replaced.map(({ live }) => shownName(live)), dependents: hindering })
  for (const key of dependents.keys) await session.query(`alter table ${key.table} drop constraint ${key.quoted}`)
  for (const one of dependents.publications) {
    const table = trees.find((each) => each.oid === one.oid)!
    await session.query(`alter publication ${one.publication} drop table only ${sqlName(table)}`)
  }
  const notes = await goOnFrom(
    session,
    making,
    trees.map((one) => one.oid),
  )
  const parents = new Map<number, { partition?: { parent: string; bound: string }; inherited: readonly string[] }>()
  for (const { live } of of.replaced) parents.set(live.oid, await leaveParents(session, live))
  for (const one of trees) await renameAll(session, one, of.ending)
  notes.push(
    ...(await letGo(
      session,
      trees.map((one) => one.oid),
    )),
  )
  const kept = of.replaced.map(({ live }) => ({
    table: shownName(live),
    keptAs: shownName({ schema: live.schema, name: keptName(live.name, of.ending) }),
  }))
  return { kept, dependents, parents, notes }
}

/** A kept table refers to others no more: their deletes would fail on it, or reach its rows, which may be all that is left of what came later. */
async function letGo(session: Session, tree: readonly number[]): Promise<readonly string[]> {
  const rows = await session.query<{ schema: string; relation: string; name: string; text: string }>(
    `select n.nspname as schema, c.relname as relation, k.conname as name, pg_catalog.pg_get_constraintdef(k.oid) as text
       from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where k.contype = 'f' and k.conrelid = any($1::oid[]) and not k.confrelid = any($1::oid[]) and k.conparentid = 0 order by 1, 2, 3`,
    [tree],
  )
  const notes: string[] = []
  for (const { schema, relation, name, text } of rows) {
    const table = sqlName({ schema, name: relation })
    await session.query(`alter table ${table} drop constraint ${quoteName(name)}`)
    notes.push(
      `${shownName({ schema, name: relation })}, which is kept, refers to no other table any more, so that deletes there neither fail on it nor change it: alter table ${table} add constraint ${quoteName(name)} ${text} undoes that`,
    )
  }
  return notes
}

async function leaveParents(
  session: Session,
  live: Replaced['live'],
): Promise<{ partition?: { parent: string; bound: string }; inherited: readonly string[] }> {
  const rows = await session.query<{ parent: string; bound: string | null }>(
    `select pg_catalog.format('%I.%I', n.nspname, p.relname) as parent, case when c.relispartition then pg_catalog.pg_get_expr(c.relpartbound, c.oid) end as bound
       from pg_catalog.pg_inherits h join pg_catalog.pg_class c on c.oid = h.inhrelid join pg_catalog.pg_class p on p.oid = h.inhparent join pg_catalog.pg_namespace n on n.oid = p.relnamespace
      where h.inhrelid = $1 order by h.inhseqno`,
    [live.oid],
  )
  const [first] = rows
  if (first?.bound) {
    await session.query(`alter table ${first.parent} detach partition ${sqlName(live)}`)
    return { partition: { parent: first.parent, bound: first.bound }, inherited: [] }
  }
  for (const { parent } of rows) await session.query(`alter table only ${sqlName(live)} no inherit ${parent}`)
  return { inherited: rows.map((one) => one.parent) }
}

/** A table, its indexes, its sequences and its extended statistics. */
async function renameAll(
  session: Session,
  table: { readonly oid: number; readonly schema: string; readonly name: string },
  ending: string,
): Promise<void> {
  const rows = await session.query<{ what: string; schema: string; name: string }>(
    `select 'index' as what, n.nspname as schema, c.relname as name from pg_catalog.pg_index x join pg_catalog.pg_class c on c.oid = x.indexrelid
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace where x.indrelid = $1
     union all select 'sequence', n.nspname, c.relname from pg_catalog.pg_depend d join pg_catalog.pg_class c on c.oid = d.objid and c.relkind = 'S'
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = $1 and d.deptype in ('a', 'i')
     union all select 'statistics', n.nspname, s.stxname from pg_catalog.pg_statistic_ext s join pg_catalog.pg_namespace n on n.oid = s.stxnamespace where s.stxrelid = $1`,
    [table.oid],
  )
  for (const { what, schema, name } of [...rows, { what: 'table', schema: table.schema, name: table.name }])
    await session.query(`alter ${what} ${sqlName({ schema, name })} rename to ${quoteName(keptName(name, ending))}`)
}

/** What hung on the old tables now hangs on the new ones: by name, since they bear it now. */
async function takePlace(
  session: Session,
  making: Making,
  of: { readonly replaced: readonly Replaced[]; readonly undone: Undone },
): Promise<void> {
  const { dependents, parents } = of.undone
  for (const { live, by } of of.replaced) {
    const table = sqlName(making.naming.tables.get(by)!)
    const { partition, inherited } = parents.get(live.oid)!
    if (partition)
      await session.query(`alter table only ${partition.parent} attach partition ${table} ${partition.bound}`)
    for (const parent of inherited) await session.query(`alter table only ${table} inherit ${parent}`)
  }
  for (const view of dependents.views) {
    const options = view.options.length === 0 ? '' : ` with (${view.options.join(', ')})`
    await session.query(`create or replace view ${view.name}${options} as ${view.text}`)
  }
  for (const key of dependents.keys) {
    await guardKey(key, () => session.query(`alter table ${key.table} add constraint ${key.quoted} ${key.text}`))
    if (key.comment !== undefined)
      await session.query(`comment on constraint ${key.quoted} on ${key.table} is ${literal(key.comment)}`)
  }
  for (const one of dependents.publications) {
    const by = of.replaced.find(({ live }) => live.oid === one.oid)!
    const columns = one.columns === undefined ? '' : ` (${one.columns.map(quoteName).join(', ')})`
    const filter = one.filter === undefined ? '' : ` where (${one.filter})`
    await session.query(
      `alter publication ${one.publication} add table only ${sqlName(making.naming.tables.get(by.by)!)}${columns}${filter}`,
    )
  }
}

async function guardKey(key: { shown: string; name: string }, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!foreignKeyViolation(error)) throw error
    throw errors.keyViolated({ table: key.shown, key: key.name, rows: undefined }, { cause: error })
  }
}
