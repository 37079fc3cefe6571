// Foreign keys of recovered tables: among themselves they are made; to other tables they are made where the table takes its place in the warehouse, and elsewhere only
// checked: a copy that lies beside must not hold up deletes.
import { messageOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { tableErrors as errors } from '../table-errors.ts'
import type { Constraint, TableDefinition } from './definition.ts'
import { liveRelation } from './live.ts'
import { make } from './make.ts'
import { literal, shownName, sqlName } from './names.ts'
import { staged } from './naming.ts'
import { isForeignKeyViolation } from './put.ts'
import type { Making } from './statements.ts'

/** How a table comes back. `returned`: the live server had none of its name. */
export type Coming = 'beside' | 'swap' | 'returned'

/** Returns what an operator should know. */
export async function makeKeys(
  session: Session,
  making: Making,
  comingOf: (table: TableDefinition) => Coming,
): Promise<readonly string[]> {
  const notes: string[] = []
  for (const table of making.definitions) {
    for (const key of table.constraints) {
      if (key.kind !== 'f') continue
      const note = await makeKey(session, making, { table, key, coming: comingOf(table) })
      if (note !== undefined) notes.push(note)
    }
  }
  return notes
}

async function makeKey(
  session: Session,
  making: Making,
  of: { table: TableDefinition; key: Constraint; coming: Coming },
): Promise<string | undefined> {
  const { table, key, coming } = of
  const other = key.references!
  const within = making.naming.tables.get(other.oid)
  const own = staged(making.naming.tables.get(table.oid)!)
  const name = `foreign key ${key.name} of ${shownName(table)}`
  if (!within && (await liveRelation(session, other)) === undefined)
    return `${name} is left out: ${shownName(other)} does not exist any more`
  const to = within ? staged(within) : sqlName(other)
  if (!within && coming === 'beside') {
    const count = await unmatched(session, key, { own, to })
    const kept = `${name} is not made, since the rows lie beside`
    return count === 0
      ? undefined
      : `${kept}: ${count} ${count === 1 ? 'row has' : 'rows have'} no match in ${shownName(other)} now`
  }
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
    if (!isForeignKeyViolation(error))
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
