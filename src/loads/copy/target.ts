// The table that files go into, as its catalog has it, and how the header of a file meets it.
import type { Session } from '../../warehouse/contract.ts'
import type { CopyConfig } from '../config.ts'
import { errors } from '../errors.ts'
import { checkFor, type Check } from './types.ts'

export interface TargetColumn {
  readonly name: string
  readonly type: string
  readonly notNull: boolean
  readonly hasDefault: boolean
  /** Generated or identity always: cannot be given. */
  readonly isGenerated: boolean
}

export interface Target {
  /** Schema and name, each quoted where needed. */
  readonly sql: string
  readonly name: string
  readonly columns: readonly TargetColumn[]
}

export async function readTarget(session: Session, table: string, warehouse: string): Promise<Target> {
  const found = await session
    .query<{ sql: string; columns: TargetColumn[] }>(
      `select c.oid::regclass::text as sql, coalesce(jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
         'notNull', a.attnotnull, 'hasDefault', a.atthasdef or a.attidentity <> '', 'isGenerated', a.attgenerated <> '' or a.attidentity = 'a')
         order by a.attnum) filter (where a.attname is not null), '[]') as columns
       from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       where c.oid = to_regclass($1) and c.relkind in ('r', 'p', 'f', 'v') group by c.oid`,
      [table],
    )
    .then(([row]) => row)
  if (!found) throw errors.noTable({ table, warehouse })
  return { sql: found.sql, name: table, columns: found.columns }
}

/** For each field of a record in order: where it goes, or undefined where it is ignored. */
export interface FieldPlan {
  readonly column: TargetColumn
  readonly check: Check | undefined
}
export interface HeaderPlan {
  readonly names: readonly string[]
  readonly fields: readonly (FieldPlan | undefined)[]
}

type Mapping = Pick<CopyConfig, 'columns' | 'ignore' | 'absent'>

/** What the settings say must exist in the table. */
export function checkMapping(target: Target, mapping: Mapping): void {
  const known = new Set(target.columns.map((column) => column.name))
  for (const column of Object.values(mapping.columns))
    if (!known.has(column)) throw errors.badMapping({ setting: 'columns', column, table: target.name })
  for (const column of mapping.absent)
    if (!known.has(column)) throw errors.badMapping({ setting: 'absent', column, table: target.name })
}

/** Matches the header with the table. Every column of either side must have its place. */
export function planHeader(
  header: { names: readonly string[]; file: string; columnOf(index: number): number },
  target: Target,
  mapping: Mapping,
): HeaderPlan {
  const { names, file } = header
  const at = (index: number): { file: string; line: number; column: number } => ({
    file,
    line: 1,
    column: header.columnOf(index),
  })
  const byName = new Map(target.columns.map((column) => [column.name, column]))
  const taken = new Set<string>()
  const fields = names.map((name, index) => {
    if (names.indexOf(name) < index)
      throw errors.badHeader({ ...at(index), problem: `the header names column "${name}" twice` })
    if (mapping.ignore.includes(name)) return undefined
    const column = byName.get(mapping.columns[name] ?? name)
    if (!column || column.isGenerated) throw errors.extraColumn({ ...at(index), name, table: target.name })
    if (taken.has(column.name))
      throw errors.badHeader({ ...at(index), problem: `two columns of the file go to column "${column.name}"` })
    taken.add(column.name)
    return { column, check: checkFor(column.type) }
  })
  const missing = target.columns.find(
    (column) =>
      !taken.has(column.name) && !column.isGenerated && !column.hasDefault && !mapping.absent.includes(column.name),
  )
  if (missing) throw errors.missingColumn({ file, line: 1, name: missing.name, table: target.name })
  return { names, fields }
}
