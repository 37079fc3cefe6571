// Foreign keys of recovered tables: among themselves they are made; to other tables they are made where the table takes its place in the warehouse, right before it does, and
// elsewhere only checked: neither a copy that lies beside nor one that waits for an answer must hold up deletes.
import { messageOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { tableErrors as errors } from '../table-errors.ts'
import type { Constraint, TableDefinition } from './definition.ts'
import { liveRelation } from './live.ts'
import { make } from './make.ts'
import { literal, shownName, sqlName } from './names.ts'
import { staged } from './naming.ts'
import { foreignKeyViolation } from './keys-hold.ts'
import type { Making } from './statements.ts'

/** How a table comes back. `returned`: the live server had none of its name. */
export type Coming = 'beside' | 'swap' | 'returned'

interface Key {
  readonly table: TableDefinition
  readonly key: Constraint
  readonly coming: Coming
}

function keysOf(making: Making, comingOf: (table: TableDefinition) => Coming): readonly Key[] {
  return making.definitions.flatMap((table) =>
    table.constraints.filter((key) => key.kind === 'f').map((key) => ({ table, key, coming: comingOf(table) })),
  )
}

/** Keys among the tables; those to others are only looked at. Returns what an operator should know; rejects with `recovery.key-violated` what could not be put in place. */
export async function makeInnerKeys(
  session: Session,
  making: Making,
  comingOf: (table: TableDefinition) => Coming,
): Promise<readonly string[]> {
  const notes: string[] = []
  for (const one of keysOf(making, comingOf)) {
    const isInner = making.naming.tables.has(one.key.references!.oid)
    const note = isInner ? await makeKey(session, making, one) : await lookAt(session, making, one)
    if (note !== undefined) notes.push(note)
  }
  return notes
}

/** Keys to other tables, once it is sure that the tables are put in their place. */
export async function makeOuterKeys(
  session: Session,
  making: Making,
  comingOf: (table: TableDefinition) => Coming,
): Promise<readonly string[]> {
  const notes: string[] = []
  for (const one of keysOf(making, comingOf)) {
    const isInner = making.naming.tables.has(one.key.references!.oid)
    if (isInner || one.coming === 'beside' || !(await liveRelation(session, one.key.references!))) continue
    const note = await makeKey(session, making, one)
    if (note !== undefined) notes.push(note)
  }
  return notes
}

async function lookAt(session: Session, making: Making, { table, key, coming }: Key): Promise<string | undefined> {
  const other = key.references!
  const name = `foreign key ${key.name} of ${shownName(table)}`
  if ((await liveRelation(session, other)) === undefined)
    return `${name} is left out: ${shownName(other)} does not exist any more`
  // What comes back to nobody's place is made with what it has, and told then.
  if (coming === 'returned' || (coming === 'swap' && !key.validated)) return undefined
  const own = staged(making.naming.tables.get(table.oid)!)
  const rows = await unmatched(session, key, { own, to: sqlName(other) })
  if (rows === 0) return undefined
  if (coming === 'swap') throw errors.keyViolated({ table: shownName(table), key: key.name, rows })
  return `${name} is not made, since the rows lie beside: ${rows} ${rows === 1 ? 'row has' : 'rows have'} no match in ${shownName(other)} now`
}

async function makeKey(session: Session, making: Making, of: Key): Promise<string | undefined> {
  const { table, key, coming } = of
  const other = key.references!
  const within = making.naming.tables.get(other.oid)
  const own = staged(making.naming.tables.get(table.oid)!)
  const name = `foreign key ${key.name} of ${shownName(table)}`
  const to = within ? staged(within) : sqlName(other)
  const from = ` REFERENCES ${other.qualified}(`
  const text = key.text.replace(from, () => ` references ${to}(`)
  const comment =
    key.comment === undefined
      ? []
      : [`comment on constraint ${quoteName(key.name)} on ${own} is ${literal(key.comment)}`]
  const add = `alter table ${own} add constraint ${quoteName(key.name)} ${text}`
  try {
    if (table.kind === 'p' || !key.validated) await session.query(add)
    else {
      // A short lock on the other table for the first, a weak one for the second.
      await session.query(`${add} not valid`)
      await session.query(`alter table ${own} validate constraint ${quoteName(key.name)}`)
    }
  } catch (error) {
    if (!foreignKeyViolation(error))
      throw errors.cannotMake({ table: shownName(table), why: messageOf(error) }, { cause: error })
    const rows = await unmatched(session, key, { own, to })
    if (coming !== 'returned') throw errors.keyViolated({ table: shownName(table), key: key.name, rows })
    return `${name} is ${table.kind === 'p' ? 'left out' : 'not valid'}: ${rows} ${rows === 1 ? 'row has' : 'rows have'} no match in ${shownName(other)} now`
  }
  await make(session, table, comment)
  return undefined
}

async function unmatched(session: Session, key: Constraint, at: { own: string; to: string }): Promise<number> {
  const filled = key.pairs.map((one) => `t.${quoteName(one.own)} is not null`).join(' and ')
  const match = key.pairs
    .map((one) => `o.${quoteName(one.other)} ${one.operator} t.${quoteName(one.own)}`)
    .join(' and ')
  const [row] = await session.query<{ count: string }>(
    `select count(*)::text as count from ${at.own} t where ${filled} and not exists (select from ${at.to} o where ${match})`,
  )
  return Number(row!.count)
}
