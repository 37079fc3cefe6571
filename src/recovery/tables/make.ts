// Makes the tables of a recovery ready in their staging on the live server: bare, with rows, with indexes, with all the rest.
import { messageOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { tableErrors as errors } from '../table-errors.ts'
import type { PrivateSession } from '../server/connect.ts'
import type { TableDefinition } from './definition.ts'
import { literal, shownName, sqlName } from './names.ts'
import { staged } from './naming.ts'
import { sequenceState } from './read-definition.ts'
import { afterRows, createIndexes, createTable, type Making } from './statements.ts'

/** A statement that the live server refuses is named with the table. */
export async function make(session: Session, table: TableDefinition, statements: readonly string[]): Promise<void> {
  for (const sql of statements) {
    try {
      await session.query(sql)
    } catch (error) {
      throw errors.cannotMake({ table: shownName(table), why: messageOf(error) }, { cause: error })
    }
  }
}

export async function makeTables(session: Session, making: Making): Promise<void> {
  for (const one of making.definitions) await make(session, one, createTable(one, making))
}

/** Where the sequences of the tables stood. */
export async function setSequences(session: Session, source: PrivateSession, making: Making): Promise<void> {
  for (const { sequences } of making.definitions) {
    for (const one of sequences) {
      const { last, called } = await sequenceState(source, sqlName(one))
      const name = staged(making.naming.sequences.get(one.oid)!)
      await session.query(`select pg_catalog.setval(${literal(name)}::regclass, ${last}, ${called})`)
    }
  }
}

export interface IndexWork {
  readonly making: Making
  readonly workers: number
  /** Of rows that only are compared nothing but the key is needed. */
  readonly onlyKeys: boolean
  openTarget(): Promise<Session>
  readonly signal: AbortSignal
  readonly progress: (done: number, total: number) => void
}

/** Partitioned indexes first, then those of tables, several at once. Returns how many were made. */
export async function makeIndexes(work: IndexWork): Promise<number> {
  const { making } = work
  const keys = (one: TableDefinition): TableDefinition => {
    if (!work.onlyKeys) return one
    const primary = one.constraints.filter((each) => each.kind === 'p')
    return { ...one, indexes: one.indexes.filter((index) => primary.some((each) => each.index === index.oid)) }
  }
  const units = (kind: 'p' | 'r'): { table: TableDefinition; statements: readonly string[] }[] =>
    making.definitions
      .filter((one) => one.kind === kind)
      .flatMap((table) => createIndexes(keys(table), making).map((statements) => ({ table, statements })))
  const [parents, waiting] = [units('p'), units('r')]
  const total = parents.length + waiting.length
  let done = 0
  await using first = await work.openTarget()
  for (const one of parents) {
    await make(first, one.table, one.statements)
    work.progress(++done, total)
  }
  const failed = new AbortController()
  const loop = async (session: Session): Promise<void> => {
    for (let one = waiting.shift(); one && !failed.signal.aborted; one = waiting.shift()) {
      work.signal.throwIfAborted()
      try {
        await make(session, one.table, one.statements)
      } catch (error) {
        failed.abort()
        throw error
      }
      work.progress(++done, total)
    }
  }
  const others = Array.from({ length: Math.min(work.workers, waiting.length) - 1 }, async () => {
    await using session = await work.openTarget()
    await loop(session)
  })
  const results = await Promise.allSettled([loop(first), ...others])
  work.signal.throwIfAborted()
  const failure = results.find((one) => one.status === 'rejected')
  if (failure) throw failure.reason
  return total
}

export async function finishTables(session: Session, making: Making): Promise<void> {
  for (const one of making.definitions) await make(session, one, afterRows(one, making))
}

export async function analyzeTables(session: Session, making: Making): Promise<void> {
  for (const one of making.definitions)
    if (one.kind === 'p' || one.partitionOf === undefined || !making.naming.tables.has(one.partitionOf.oid))
      await session.query(`analyze ${staged(making.naming.tables.get(one.oid)!)}`)
}
