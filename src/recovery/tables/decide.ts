// What is made of each table that was asked for, and what everything is called.
import type { Session } from '../../warehouse/contract.ts'
import { tableErrors as errors } from '../table-errors.ts'
import type { TableDefinition } from './definition.ts'
import { liveRelation, liveTree, takenNames, type LiveRelation } from './live.ts'
import { shownName, type TableName } from './names.ts'
import { nameAll } from './naming.ts'
import { readDefinition, type RowReader } from './read-definition.ts'
import { BESIDE, besideName, type How, type Root, type Work } from './request.ts'
import type { TablesSandbox } from './sandbox-for.ts'
import { leftOut, type Making } from './statements.ts'

/** Partitions that are there today have probably been there then. */
export async function hints(session: Session, wanted: readonly TableName[]): Promise<readonly TableName[]> {
  const rows = await session.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name from pg_catalog.pg_class p join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
       cross join lateral pg_catalog.pg_partition_tree(p.oid) t join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where p.relkind = 'p' and exists (select from json_array_elements($1::json) w where w->>'name' = p.relname and (w->>'schema' is null or w->>'schema' = pn.nspname))`,
    [JSON.stringify(wanted)],
  )
  return rows
}

export async function readDefinitions(
  found: TablesSandbox,
): Promise<{ definitions: readonly TableDefinition[]; major: number; foreign: readonly string[] }> {
  const major = Math.floor(found.sandbox.manifest.postgresVersion / 10_000)
  await using source = await found.open()
  const definitions: TableDefinition[] = []
  const read: RowReader = async (sql, parameters) => (await source.query<object>(sql, [...parameters])).rows
  for (const table of found.tables) definitions.push(await readDefinition(read, table, major))
  const { rows } = await source.query<{ name: string }>(
    `select pg_catalog.format('%s.%s', n.nspname, c.relname) as name from unnest($1::oid[]) root
       cross join lateral pg_catalog.pg_partition_tree(root) t join pg_catalog.pg_class c on c.oid = t.relid
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind = 'f' order by 1`,
    [definitions.filter((one) => one.root === one.oid).map((one) => one.oid)],
  )
  return { definitions, major, foreign: rows.map((one) => one.name) }
}

export async function decideRoots(
  work: Work,
  session: Session,
  definitions: readonly TableDefinition[],
): Promise<readonly Root[]> {
  const { request } = work
  const roots: Root[] = []
  for (const definition of definitions.filter((one) => one.root === one.oid)) {
    const live = await liveRelation(session, definition)
    const isTable = live?.kind === 'r' || live?.kind === 'p'
    if (request.mode === 'merge' && !request.diff && !isTable)
      throw errors.nothingToMerge({ table: shownName(definition) })
    roots.push({ definition, live: isTable ? live : undefined, how: howOf(work, live, isTable) })
  }
  return roots
}

function howOf(work: Work, live: LiveRelation | undefined, isTable: boolean): How {
  const { request } = work
  if (request.diff) return 'compare'
  if (request.as !== undefined) return 'beside'
  if (live === undefined) return 'returned'
  if (!isTable) return 'beside'
  return request.mode
}

export async function planMaking(
  work: Work,
  session: Session,
  of: { definitions: readonly TableDefinition[]; roots: readonly Root[]; major: number },
): Promise<Making> {
  const { definitions, roots, major } = of
  const rootOf = (table: TableDefinition): Root => roots.find((one) => one.definition.oid === table.root)!
  const chosen = new Map<number, { schema: string; name: string }>()
  for (const { definition, how } of roots) {
    if (how !== 'beside') continue
    const wanted = besideName(work.request, definition)
    if (await liveRelation(session, wanted)) throw errors.nameTaken({ name: shownName(wanted) })
    chosen.set(definition.oid, wanted)
  }
  const gone = new Set<number>()
  for (const { live, how } of roots)
    if (live && how === 'swap') for (const one of await liveTree(session, live.oid)) gone.add(one.oid)
  const stays = (table: TableDefinition): boolean => rootOf(table).how !== 'compare' && rootOf(table).how !== 'merge'
  const schemas = [...new Set([...definitions, ...chosen.values()].map((one) => one.schema))]
  const naming = nameAll({
    id: work.id,
    definitions,
    ending: (table) => (rootOf(table).how === 'beside' ? BESIDE : ''),
    chosen,
    taken: definitions.some(stays) ? await takenNames(session, schemas, gone) : new Set(),
  })
  const names = async (sql: string): Promise<ReadonlySet<string>> =>
    new Set((await session.query<{ name: string }>(sql)).map((one) => one.name))
  const making: Making = {
    definitions,
    naming,
    major,
    roles: await names('select rolname as name from pg_catalog.pg_roles'),
    tablespaces: await names('select spcname as name from pg_catalog.pg_tablespace'),
    isPassing: (table) => !stays(table),
  }
  for (const one of definitions)
    if (stays(one)) work.notes.push(...leftOut(one, making).map((note) => `${shownName(one)}: ${note}`))
  return making
}
