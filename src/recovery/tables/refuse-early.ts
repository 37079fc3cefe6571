// What is better known before anything is restored. All of it is looked at again when it is done.
import type { Session } from '../../warehouse/contract.ts'
import { tableErrors as errors } from '../table-errors.ts'
import { dependentsOf, inTheWay, liveRelation, liveTree, type LiveRelation } from './live.ts'
import { shownName, type TableName } from './names.ts'
import { besideName, type TablesRequest } from './request.ts'

interface Wish {
  readonly request: TablesRequest
  readonly names: readonly TableName[]
}

export async function refuseEarly(session: Session, wish: Wish): Promise<void> {
  if (wish.request.diff) return
  if (wish.request.mode === 'beside') await refuseTaken(session, wish)
  if (wish.request.mode === 'swap') await refuseFixed(session, wish)
  if (wish.request.mode === 'merge') await refuseKeyless(session, wish)
}

async function refuseTaken(session: Session, { names, request }: Wish): Promise<void> {
  for (const { schema, name } of names) {
    if (schema === undefined) continue
    const live = await liveRelation(session, { schema, name })
    if (live === undefined && request.as === undefined) continue
    const wanted = besideName(request, { schema, name })
    if (await liveRelation(session, wanted)) throw errors.nameTaken({ name: shownName(wanted) })
  }
}

async function liveTables(session: Session, { names }: Wish): Promise<readonly LiveRelation[]> {
  const found: LiveRelation[] = []
  for (const { schema, name } of names) {
    const live = schema === undefined ? undefined : await liveRelation(session, { schema, name })
    if (live?.kind === 'r' || live?.kind === 'p') found.push(live)
  }
  return found
}

/** Looked for again in the transaction that swaps. */
async function refuseFixed(session: Session, wish: Wish): Promise<void> {
  for (const live of await liveTables(session, wish)) {
    const tree = await liveTree(session, live.oid)
    const dependents = await dependentsOf(
      session,
      tree.map((one) => one.oid),
    )
    const hindering = inTheWay(dependents, new Set([live.oid]))
    if (hindering.length > 0) throw errors.cannotSwap({ tables: [shownName(live)], dependents: hindering })
  }
}

/** What has no key now had none then, most likely. Merging asks again, of the recovered table. */
async function refuseKeyless(session: Session, wish: Wish): Promise<void> {
  for (const live of await liveTables(session, wish)) {
    const [key] = await session.query('select from pg_catalog.pg_index where indrelid = $1 and indisprimary', [
      live.oid,
    ])
    if (key === undefined) throw errors.noKey({ table: shownName(live) })
  }
}
