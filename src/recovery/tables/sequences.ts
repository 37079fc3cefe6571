// Numbers that were given out are not given out again: sequences go on from where they stand on the live server, or stood at the moment, whichever is further.
import type { Session } from '../../warehouse/contract.ts'
import type { PrivateSession } from '../server/connect.ts'
import type { Sequence, TableDefinition } from './definition.ts'
import { literal, shownName, sqlName } from './names.ts'
import { staged } from './naming.ts'
import { sequenceState } from './read-definition.ts'
import type { Making } from './statements.ts'

export interface Position {
  readonly last: bigint
  readonly called: boolean
}

/** The further of two, in the direction of the sequence; undefined where the first is as far. */
export function further(own: Position, other: Position, increment: bigint): Position | undefined {
  const next = ({ last, called }: Position): bigint => (called ? last + increment : last)
  const ahead = increment > 0n ? next(other) - next(own) : next(own) - next(other)
  return ahead > 0n ? other : undefined
}

interface LiveSequence {
  readonly table: string
  readonly column: string
  /** Qualified, for SQL. */
  readonly name: string
}

/** Sequences of columns of these tables. */
async function sequencesOf(session: Session, tree: readonly number[]): Promise<readonly LiveSequence[]> {
  const rows = await session.query<Record<'schema' | 'relation' | 'column' | 'name', string>>(
    `select n.nspname as schema, c.relname as relation, a.attname as column, pg_catalog.format('%I.%I', sn.nspname, s.relname) as name
       from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
       join pg_catalog.pg_class c on c.oid = d.refobjid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = any($1::oid[]) and d.deptype in ('a', 'i') order by 1, 2, 3`,
    [tree],
  )
  return rows.map(({ schema, relation, column, name }) => ({
    table: sqlName({ schema, name: relation }),
    column,
    name,
  }))
}

async function livePosition(session: Session, name: string): Promise<Position> {
  const [row] = await session.query<{ last: string; called: boolean }>(
    `select last_value::text as last, is_called as called from ${name}`,
  )
  return { last: BigInt(row!.last), called: row!.called }
}

async function setPosition(session: Session, name: string, { last, called }: Position): Promise<void> {
  await session.query(`select pg_catalog.setval(${literal(name)}::regclass, ${last}, ${called})`)
}

/** One that cycles has no further: it stays as it was. Nor can it go where its bounds of then do not reach. */
function canTake(sequence: Sequence, { last }: Position): boolean {
  return !sequence.cycle && last >= BigInt(sequence.min) && last <= BigInt(sequence.max)
}

/** For tables that replace live ones (by oid, with their partitions), which are locked and still bear their names. Returns what an operator should know. */
export async function goOnFrom(session: Session, making: Making, tree: readonly number[]): Promise<string[]> {
  const notes: string[] = []
  for (const live of await sequencesOf(session, tree)) {
    const made = ownerOf(making, live)
    if (!made) continue
    const { definition, sequence } = made
    const name = staged(making.naming.sequences.get(sequence.oid)!)
    const now = await livePosition(session, live.name)
    const then = await livePosition(session, name)
    if (!further(then, now, BigInt(sequence.increment)) || !canTake(sequence, now)) continue
    await setPosition(session, name, now)
    notes.push(
      `the sequence of ${shownName(definition)}.${live.column} goes on from ${now.last}, where it stands now: then it stood at ${then.last}`,
    )
  }
  return notes
}

function ownerOf(
  { definitions }: Pick<Making, 'definitions'>,
  live: LiveSequence,
): { definition: TableDefinition; sequence: Sequence } | undefined {
  const definition = definitions.find((one) => sqlName(one) === live.table)
  const sequence = definition?.sequences.find((one) => one.column === live.column)
  return definition && sequence && { definition, sequence }
}

/** For rows that were put back into a live table (by oid, with its partitions): its sequences must be behind them. Returns what an operator should know. */
export async function catchUp(
  session: Session,
  of: { readonly source: PrivateSession; readonly making: Making; readonly tree: readonly number[] },
): Promise<readonly string[]> {
  const notes: string[] = []
  for (const live of await sequencesOf(session, of.tree)) {
    const made = ownerOf(of.making, live)
    if (!made) continue
    const { definition, sequence } = made
    const { last, called } = await sequenceState(of.source, sqlName(sequence))
    const then = { last: BigInt(last), called }
    const now = await livePosition(session, live.name)
    if (!further(now, then, BigInt(sequence.increment)) || sequence.cycle) continue
    await setPosition(session, live.name, then)
    notes.push(
      `the sequence of ${shownName(definition)}.${live.column} goes on from ${then.last}, where it stood then: now it stood at ${now.last}`,
    )
  }
  return notes
}
