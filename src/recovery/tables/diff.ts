// How a live table differs from what it was at the target: by primary key, or, where there is none, by whole rows. PostgreSQL compares, byte by byte of each value.
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'

export interface TableDiff {
  /** Columns of the key; undefined: whole rows were compared. */
  readonly key: readonly string[] | undefined
  readonly rowsThen: number
  readonly rowsNow: number
  /** Rows of then that are not there now. */
  readonly missing: number
  /** Rows of the same key that differ; undefined without a key. */
  readonly changed: number | undefined
  /** Rows that are there now and were not then. */
  readonly extra: number
  /** Some keys of each kind. */
  readonly samples: {
    readonly missing: readonly string[]
    readonly changed: readonly string[]
    readonly extra: readonly string[]
  }
  /** Columns that only one of both has, or that are of another type now: left out of the comparison. */
  readonly columns: {
    readonly onlyThen: readonly string[]
    readonly onlyNow: readonly string[]
    readonly otherType: readonly string[]
  }
}

export interface Compared {
  readonly key: readonly { readonly name: string; readonly operator: string }[] | undefined
  /** Of both, without those that are generated now. */
  readonly shared: readonly string[]
  readonly columns: TableDiff['columns']
}

interface ColumnRow {
  readonly name: string
  readonly type: string
  readonly generated: boolean
}

async function columnsOf(session: Session, table: string): Promise<readonly ColumnRow[]> {
  return await session.query<ColumnRow>(
    `select attname as name, pg_catalog.format_type(atttypid, atttypmod) as type, attgenerated <> '' as generated
       from pg_catalog.pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    [table],
  )
}

/** The primary key with the operators that its index compares by. */
export async function keyOf(session: Session, table: string): Promise<Compared['key']> {
  const rows = await session.query<{ name: string; operator: string }>(
    `select a.attname as name, pg_catalog.format('operator(%I.%s)', n.nspname, o.oprname) as operator
       from pg_catalog.pg_index i
       join pg_catalog.pg_class x on x.oid = i.indexrelid join pg_catalog.pg_am am on am.oid = x.relam and am.amname = 'btree'
       cross join lateral unnest(i.indkey::int2[], i.indclass::oid[]) with ordinality as k(attnum, opclass, nth)
       join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
       join pg_catalog.pg_opclass c on c.oid = k.opclass
       join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amopstrategy = 3 and p.amoplefttype = c.opcintype and p.amoprighttype = c.opcintype
       join pg_catalog.pg_operator o on o.oid = p.amopopr join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
      where i.indrelid = $1::regclass and i.indisprimary and k.nth <= i.indnkeyatts order by k.nth`,
    [table],
  )
  return rows.length === 0 ? undefined : rows
}

/** `then` and `now` are qualified names of tables of the live server. */
export async function compareColumns(session: Session, then: string, now: string): Promise<Compared> {
  const [old, live] = [await columnsOf(session, then), await columnsOf(session, now)]
  const byName = new Map(live.map((one) => [one.name, one]))
  const onlyThen = old.filter((one) => !byName.has(one.name)).map((one) => one.name)
  const otherType = old
    .filter((one) => byName.has(one.name) && byName.get(one.name)!.type !== one.type)
    .map((one) => one.name)
  const columns = {
    onlyThen,
    onlyNow: live.filter((one) => !old.some((other) => other.name === one.name)).map((one) => one.name),
    otherType,
  }
  const shared = old
    .filter((one) => !onlyThen.includes(one.name) && !otherType.includes(one.name))
    .filter((one) => !byName.get(one.name)!.generated)
    .map((one) => one.name)
  const key = await keyOf(session, then)
  // A generated column may be part of a key: nobody writes it, but rows can be found by it.
  const isThere = (name: string): boolean => !onlyThen.includes(name) && !otherType.includes(name)
  return { key: key?.every((one) => isThere(one.name)) ? key : undefined, shared, columns }
}

export function joinOn(key: NonNullable<Compared['key']>, left: string, right: string): string {
  return key
    .map(({ name, operator }) => `${left}.${quoteName(name)} ${operator} ${right}.${quoteName(name)}`)
    .join(' and ')
}

/** True where the rows differ in any byte: types without an operator of equality compare too. */
export function rowsDiffer(columns: readonly string[], left: string, right: string): string {
  if (columns.length === 0) return 'false'
  const of = (side: string): string => `row(${columns.map((name) => `${side}.${quoteName(name)}`).join(', ')})`
  return `pg_catalog.record_image_ne(${of(left)}, ${of(right)})`
}

const MOST_SAMPLES = 5

export async function diffTables(session: Session, then: string, now: string): Promise<TableDiff> {
  const compared = await compareColumns(session, then, now)
  const counts =
    compared.key === undefined
      ? await byWholeRows(session, { old: then, now, compared })
      : await byKey(session, { old: then, now, compared, key: compared.key })
  return { key: compared.key?.map((one) => one.name), columns: compared.columns, ...counts }
}

interface Sides {
  readonly old: string
  readonly now: string
  readonly compared: Compared
}

type Counts = Omit<TableDiff, 'key' | 'columns'>

async function byKey(session: Session, sides: Sides & { readonly key: NonNullable<Compared['key']> }): Promise<Counts> {
  const { old, now, compared, key } = sides
  const first = quoteName(key[0]!.name)
  const differ = rowsDiffer(compared.shared, 't', 'n')
  const joined = `${old} t full join ${now} n on ${joinOn(key, 't', 'n')}`
  const [row] = await session.query<Record<'rowsThen' | 'rowsNow' | 'missing' | 'changed' | 'extra', string>>(
    `select count(t.${first}) as "rowsThen", count(n.${first}) as "rowsNow",
            count(*) filter (where n.${first} is null) as missing, count(*) filter (where t.${first} is null) as extra,
            count(*) filter (where t.${first} is not null and n.${first} is not null and ${differ}) as changed
       from ${joined}`,
  )
  const keyText = (side: string): string =>
    key.length === 1
      ? `${side}.${first}::text`
      : `pg_catalog.concat_ws(', ', ${key.map((one) => `${side}.${quoteName(one.name)}::text`).join(', ')})`
  const sample = async (from: string, side: string): Promise<readonly string[]> => {
    const order = key.map((one) => `${side}.${quoteName(one.name)}`).join(', ')
    const rows = await session.query<{ key: string }>(
      `select ${keyText(side)} as key from ${from} order by ${order} limit ${MOST_SAMPLES}`,
    )
    return rows.map((one) => one.key)
  }
  const absent = (a: string, b: string, [of, from]: [string, string]): string =>
    `${of} ${a} where not exists (select from ${from} ${b} where ${joinOn(key, a, b)})`
  return {
    rowsThen: Number(row!.rowsThen),
    rowsNow: Number(row!.rowsNow),
    missing: Number(row!.missing),
    changed: Number(row!.changed),
    extra: Number(row!.extra),
    samples: {
      missing: Number(row!.missing) === 0 ? [] : await sample(absent('t', 'n', [old, now]), 't'),
      changed:
        Number(row!.changed) === 0
          ? []
          : await sample(`${old} t join ${now} n on ${joinOn(key, 't', 'n')} where ${differ}`, 't'),
      extra: Number(row!.extra) === 0 ? [] : await sample(absent('n', 't', [now, old]), 'n'),
    },
  }
}

async function byWholeRows(session: Session, { old, now, compared }: Sides): Promise<Counts> {
  const row = compared.shared.length === 0 ? "''" : `row(${compared.shared.map(quoteName).join(', ')})::text`
  const grouped = (table: string): string =>
    `select h, count(*) as n from (select pg_catalog.md5(${row}) as h from ${table}) rows group by h`
  const [found] = await session.query<Record<'rowsThen' | 'rowsNow' | 'missing' | 'extra', string>>(
    `select coalesce(sum(t.n), 0) as "rowsThen", coalesce(sum(n.n), 0) as "rowsNow",
            coalesce(sum(greatest(coalesce(t.n, 0) - coalesce(n.n, 0), 0)), 0) as missing, coalesce(sum(greatest(coalesce(n.n, 0) - coalesce(t.n, 0), 0)), 0) as extra
       from (${grouped(old)}) t full join (${grouped(now)}) n on t.h = n.h`,
  )
  return {
    rowsThen: Number(found!.rowsThen),
    rowsNow: Number(found!.rowsNow),
    missing: Number(found!.missing),
    changed: undefined,
    extra: Number(found!.extra),
    samples: { missing: [], changed: [], extra: [] },
  }
}
