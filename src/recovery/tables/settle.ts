// From tables with rows to tables in their place: indexes, keys and the rest, the comparison, the question, one transaction.
import { demandConfirmation } from '../../base/operation.ts'
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import type { TableDefinition } from './definition.ts'
import { diffTables, type TableDiff } from './diff.ts'
import { makeInnerKeys, makeOuterKeys, type Coming } from './keys.ts'
import { analyzeTables, finishTables, makeIndexes, setSequences } from './make.ts'
import { foreignParts, liveTree } from './live.ts'
import { endMerge, mergeTable, type Merged } from './merge.ts'
import { keptName, shownName, sqlName } from './names.ts'
import { staged } from './naming.ts'
import { noteUnsent } from './published.ts'
import { putInPlace, type Put } from './put.ts'
import { readDefinition } from './read-definition.ts'
import { diffText, type RecoveredTable } from './report.ts'
import { addStep, keptEnding, openWriter, type Root, type Work } from './request.ts'
import type { TablesSandbox } from './sandbox-for.ts'
import { catchUp } from './sequences.ts'
import { since, sinceText } from './since.ts'
import type { Making } from './statements.ts'

/** From tables with rows to tables in their place. */
export async function settle(
  work: Work,
  session: Session,
  of: { found: TablesSandbox; making: Making; roots: readonly Root[]; rows: ReadonlyMap<number, number> },
): Promise<readonly RecoveredTable[]> {
  const { making, roots, found } = of
  const staying = roots.some(({ how }) => how !== 'compare' && how !== 'merge')
  await dress(work, session, { found, making, roots, staying })
  const diffs = await compare(work, session, making, roots)
  const { context } = work
  await ask(work, session, { roots, diffs })
  const started = context.clock.monotonic()
  const merged = new Map<number, Merged>()
  let kept: readonly { table: string; keptAs: string }[] = []
  if (staying || roots.some(({ how }) => how === 'merge')) {
    context.progress({ phase: 'putting in place' })
    if (staying) work.notes.push(...(await makeOuterKeys(session, making, comingFrom(roots))))
    await inTransaction(session, async () => {
      const undo: string[] = []
      for (const { definition, live, how } of mergeOrder(roots)) {
        if (how !== 'merge') continue
        const { undo: last, ...rows } = await mergeTable(session, stagedName(making, definition), live!)
        merged.set(definition.oid, rows)
        undo.push(...last)
      }
      await endMerge(session, undo)
      await catchUpMerged(work, session, { found, making, roots })
      if (!staying) return
      const put = await place(work, session, making, roots)
      kept = put.kept
      work.notes.push(...put.notes)
    })
    addStep(work, 'swap', { started, bytes: 0, count: roots.length })
  }
  return roots.map((root) => resultOf(root, { ...of, diffs, merged, kept }))
}

async function catchUpMerged(
  work: Work,
  session: Session,
  { found, making, roots }: { found: TablesSandbox; making: Making; roots: readonly Root[] },
): Promise<void> {
  const merged = roots.filter(({ how }) => how === 'merge')
  if (merged.length === 0) return
  await using source = await found.open()
  for (const { live } of merged) {
    const tree = (await liveTree(session, live!.oid)).map((one) => one.oid)
    work.notes.push(...(await catchUp(session, { source, making, tree })))
  }
}

/** A refusal of ours must let go of the live tables at once: what is made away with afterwards is, by another session, would wait for this one. */
async function inTransaction(session: Session, work: () => Promise<void>): Promise<void> {
  await session.query('begin')
  try {
    await work()
  } catch (error) {
    // A session that is broken has let go of everything.
    await session.query('rollback').catch(() => {})
    throw error
  }
  await session.query('commit')
}

function stagedName(making: Making, definition: TableDefinition): string {
  return staged(making.naming.tables.get(definition.oid)!)
}

/** Indexes, keys and all the rest. Of rows that are only compared or merged nothing is needed but the key. */
async function dress(
  work: Work,
  session: Session,
  of: { found: TablesSandbox; making: Making; roots: readonly Root[]; staying: boolean },
): Promise<void> {
  const { making, roots, staying } = of
  const { context, signal } = work
  const started = context.clock.monotonic()
  const count = await makeIndexes({
    making,
    workers: work.workers,
    onlyKeys: !staying,
    openTarget: () => openWriter(work),
    signal,
    progress: (done, total) => context.progress({ phase: 'building indexes', done, total, unit: 'count' }),
  })
  if (staying) {
    {
      await using source = await of.found.open()
      await setSequences(session, source, making)
    }
    await finishTables(session, making)
    work.notes.push(...(await makeInnerKeys(session, making, comingFrom(roots))))
  }
  context.progress({ phase: 'gathering statistics' })
  await analyzeTables(session, making)
  const bytes = making.definitions.reduce((sum, one) => sum + one.bytes, 0)
  addStep(work, 'build-indexes', { started, bytes, count })
}

function comingFrom(roots: readonly Root[]): (table: TableDefinition) => Coming {
  return (table) => {
    const { how } = roots.find((one) => one.definition.oid === table.root)!
    return how === 'merge' || how === 'compare' ? 'beside' : how
  }
}

async function compare(
  work: Work,
  session: Session,
  making: Making,
  roots: readonly Root[],
): Promise<ReadonlyMap<number, TableDiff>> {
  const diffs = new Map<number, TableDiff>()
  if (!work.request.compare && !roots.some(({ how }) => how === 'compare')) return diffs
  for (const { definition, live } of roots) {
    if (!live) continue
    work.context.progress({ phase: 'comparing', note: shownName(definition) })
    diffs.set(definition.oid, await diffTables(session, stagedName(making, definition), sqlName(live)))
  }
  return diffs
}

async function ask(
  work: Work,
  session: Session,
  { roots, diffs }: { roots: readonly Root[]; diffs: ReadonlyMap<number, TableDiff> },
): Promise<void> {
  const { context } = work
  const changing = roots.filter(({ how }) => how === 'swap' || how === 'merge')
  if (changing.length === 0) return
  const lines = changing.flatMap(({ definition }) => {
    const diff = diffs.get(definition.oid)
    return diff === undefined ? [] : diffText(shownName(definition), diff)
  })
  for (const line of lines) context.say?.(line)
  await noteSince(work, session, changing)
  const names = changing.map(({ definition }) => shownName(definition)).join(', ')
  const foreign = await noteForeign(work, session, changing)
  const without = foreign.length === 0 ? '' : `, with its foreign partitions ${foreign.join(', ')}`
  const question =
    changing[0]!.how === 'swap'
      ? `replace ${names} by what it was (the live one is kept as ${changing.map(({ live }) => keptName(live!.name, keptEnding(work))).join(', ')}${without})?`
      : `put the missing and changed rows back into ${names}?`
  await demandConfirmation(context, question)
}

/** What a swap undoes beside rows: said before anybody answers, and in the report. */
async function noteSince(work: Work, session: Session, changing: readonly Root[]): Promise<void> {
  const [row] = await session.query<{ version: number }>("select current_setting('server_version_num')::int as version")
  const major = Math.floor(row!.version / 10_000)
  for (const { definition, live, how } of changing) {
    if (how !== 'swap' || !live) continue
    const now = await readDefinition((sql, parameters) => session.query(sql, parameters), live, major)
    const shown = shownName(live)
    const text = sinceText(shown, since(definition, now))
    const unsent = await noteUnsent(session, { oid: live.oid, shown })
    for (const note of text === undefined ? unsent : [text, ...unsent]) {
      work.context.say?.(note)
      work.notes.push(note)
    }
  }
}

/** Partitions that are foreign tables stay with the live table that gives way: said before anybody answers. Returns their names. */
async function noteForeign(work: Work, session: Session, changing: readonly Root[]): Promise<readonly string[]> {
  const names: string[] = []
  for (const { live, how } of changing) {
    if (how !== 'swap' || !live) continue
    for (const part of await foreignParts(session, live.oid)) {
      const { schema, name, parent, bound } = part
      const [was, under] = [name, parent.name].map((one) => keptName(one, keptEnding(work)))
      const kept = sqlName({ schema, name: was! })
      const note = `partition ${shownName(part)} is a foreign table: it is not replaced, stays with the old table, and its rows are not in ${shownName(live)} until you attach it: alter table ${sqlName({ schema: parent.schema, name: under! })} detach partition ${kept}; alter table ${kept} rename to ${quoteName(name)}; alter table ${sqlName(parent)} attach partition ${sqlName(part)} ${bound}`
      work.context.say?.(note)
      work.notes.push(note)
      names.push(shownName(part))
    }
  }
  return names
}

async function place(work: Work, session: Session, making: Making, roots: readonly Root[]): Promise<Put> {
  for (const schema of making.naming.stagings.keys()) {
    const [row] = await session.query<{ there: boolean }>(
      'select exists (select from pg_catalog.pg_namespace where nspname = $1) as there',
      [schema],
    )
    if (row!.there) continue
    await session.query(`create schema ${quoteName(schema)}`)
    work.notes.push(`schema ${schema} did not exist any more: it was made anew`)
  }
  const replaced = roots.flatMap(({ definition, live, how }) =>
    how === 'swap' && live ? [{ live, by: definition.oid }] : [],
  )
  for (const { definition, how } of roots) {
    const parent = definition.partitionOf
    if (how === 'returned' && parent)
      work.notes.push(
        `${shownName(definition)} was a partition of ${shownName(parent)}: alter table ${shownName(parent)} attach partition ${shownName(definition)} ${parent.bound}`,
      )
  }
  return await putInPlace(session, making, { replaced, ending: keptEnding(work) })
}

function resultOf(
  { definition, how }: Root,
  of: {
    making: Making
    rows: ReadonlyMap<number, number>
    diffs: ReadonlyMap<number, TableDiff>
    merged: ReadonlyMap<number, Merged>
    kept: readonly { table: string; keptAs: string }[]
  },
): RecoveredTable {
  const parts = of.making.definitions.filter((one) => one.root === definition.root)
  const table = shownName(definition)
  const outcomes = {
    beside: 'beside',
    swap: 'swapped',
    returned: 'returned',
    merge: 'merged',
    compare: 'compared',
  } as const
  const stays = how !== 'merge' && how !== 'compare'
  return {
    table,
    rows: parts.reduce((sum, one) => sum + (of.rows.get(one.oid) ?? 0), 0),
    partitions: parts.length - 1,
    outcome: outcomes[how],
    place: stays ? shownName(of.making.naming.tables.get(definition.oid)!) : how === 'merge' ? table : undefined,
    keptAs: of.kept.find((one) => one.table === table)?.keptAs,
    merged: of.merged.get(definition.oid),
    diff: of.diffs.get(definition.oid),
  }
}

/** Tables before those that refer to them. */
function mergeOrder(roots: readonly Root[]): readonly Root[] {
  const ordered: Root[] = []
  const visit = (root: Root, path: readonly Root[]): void => {
    if (ordered.includes(root) || path.includes(root)) return
    for (const key of root.definition.constraints) {
      const other = roots.find((one) => one.definition.oid === key.references?.oid)
      if (other) visit(other, [...path, root])
    }
    ordered.push(root)
  }
  for (const root of roots) visit(root, [])
  return ordered
}
