// What each transaction that has not ended yet has done, as far as the relations that are watched go.
import type { RowChange } from '../../wal/heap-records.ts'
import type { ClassChange, InheritsChange } from './catalog-changes.ts'
import type { RowCounts } from './event.ts'

export interface Doings {
  /** By relfilenode. */
  readonly rows: Map<number, RowCounts>
  readonly created: Set<number>
  readonly classes: { readonly order: number; readonly change: ClassChange }[]
  readonly inherits: { readonly order: number; readonly change: InheritsChange }[]
  /** oids of tables that were truncated: in WAL with wal_level = logical only. */
  readonly truncated: Set<number>
  databaseDropped: boolean
}

export class OpenTransactions {
  private readonly open = new Map<number, Doings>()
  private order = 0

  get size(): number {
    return this.open.size
  }

  xids(): Iterable<number> {
    return this.open.keys()
  }

  has(xid: number): boolean {
    return this.open.has(xid)
  }

  of(xid: number): Doings {
    let found = this.open.get(xid)
    if (!found) this.open.set(xid, (found = nothing()))
    return found
  }

  created(xid: number, relfilenode: number): boolean {
    return this.open.get(xid)?.created.has(relfilenode) ?? false
  }

  count(xid: number, relfilenode: number, found: { readonly change: RowChange; readonly rows: number }): void {
    const { rows } = this.of(xid)
    let counts = rows.get(relfilenode)
    if (!counts) rows.set(relfilenode, (counts = { deleted: 0, updated: 0, inserted: 0 }))
    if (found.change === 'delete') counts.deleted += found.rows
    else if (found.change === 'insert') counts.inserted += found.rows
    else counts.updated += found.rows
  }

  classChanged(xid: number, change: ClassChange): void {
    this.of(xid).classes.push({ order: this.order++, change })
  }

  inheritsChanged(xid: number, change: InheritsChange): void {
    this.of(xid).inherits.push({ order: this.order++, change })
  }

  /** What the transaction and its subtransactions have done together; it is forgotten. Undefined: nothing. */
  end(xids: readonly number[]): Doings | undefined {
    const parts = xids.flatMap((xid) => this.open.get(xid) ?? [])
    for (const xid of xids) this.open.delete(xid)
    if (parts.length < 2) return parts[0]
    const all = nothing()
    for (const part of parts) merge(all, part)
    all.classes.sort((a, b) => a.order - b.order)
    all.inherits.sort((a, b) => a.order - b.order)
    return all
  }

  /** The server says that everything older has ended: what is left of it died in a crash. */
  forgetBefore(oldestRunning: number): void {
    for (const xid of this.open.keys()) if (precedes(xid, oldestRunning)) this.open.delete(xid)
  }
}

/** As PostgreSQL compares transaction ids: on a circle of 2^32. */
export function precedes(xid: number, other: number): boolean {
  return ((xid - other) | 0) < 0
}

function nothing(): Doings {
  return {
    rows: new Map(),
    created: new Set(),
    classes: [],
    inherits: [],
    truncated: new Set(),
    databaseDropped: false,
  }
}

function merge(all: Doings, part: Doings): void {
  for (const [relfilenode, counts] of part.rows) {
    const sum = all.rows.get(relfilenode)
    if (sum) {
      sum.deleted += counts.deleted
      sum.updated += counts.updated
      sum.inserted += counts.inserted
    } else all.rows.set(relfilenode, { ...counts })
  }
  for (const one of part.created) all.created.add(one)
  for (const one of part.truncated) all.truncated.add(one)
  all.classes.push(...part.classes)
  all.inherits.push(...part.inherits)
  all.databaseDropped ||= part.databaseDropped
}
