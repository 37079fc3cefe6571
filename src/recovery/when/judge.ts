// From what one commit did to the events that it is told as: one per kind.
import type { Told } from './committed-catalog.ts'
import type { FoundEvent, RowCounts } from './event.ts'

const nothing: RowCounts = { deleted: 0, updated: 0, inserted: 0 }

interface Counted {
  readonly relation: string
  readonly counts: RowCounts
  /** The relation stands on this file only since the commit. */
  readonly isNew: boolean
}

export function eventsOf(of: {
  readonly about: Pick<FoundEvent, 'xid' | 'timeUs' | 'startLsn' | 'endLsn' | 'isAtLeast'>
  readonly told: readonly Told[]
  readonly counts: readonly Counted[]
}): readonly FoundEvent[] {
  const events: FoundEvent[] = []
  const add = (kind: FoundEvent['kind'], rest: Pick<FoundEvent, 'relations' | 'rows' | 'detail'>): void => {
    events.push({ ...of.about, kind, ...rest })
  }
  for (const kind of ['drop', 'truncate', 'gone', 'detach', 'rename', 'rewrite', 'create'] as const) {
    const same = of.told.filter((one) => one.kind === kind)
    if (same.length === 0) continue
    const relations = unique(same.map((one) => one.relation))
    const written = of.counts.filter((one) => one.isNew && relations.includes(one.relation))
    const inserted = written.reduce((sum, one) => sum + one.counts.inserted, 0)
    const words = unique(same.map((one) => one.detail).filter((one) => one !== ''))
    if (kind === 'truncate' && inserted > 0) words.push(`then ${inserted} rows were inserted in the same transaction`)
    add(kind, { relations, rows: { ...nothing, inserted }, detail: words.join('; ') })
  }
  for (const [kind, key] of [
    ['delete', 'deleted'],
    ['update', 'updated'],
  ] as const) {
    const same = of.counts.filter((one) => one.counts[key] > 0)
    if (same.length === 0) continue
    add(kind, { relations: unique(same.map((one) => one.relation)), rows: sumOf(same, of.counts), detail: '' })
  }
  return events
}

/** Inserted rows of the whole transaction stand beside, since a delete that is followed by as many inserts has taken nothing away. */
function sumOf(same: readonly Counted[], all: readonly Counted[]): RowCounts {
  const sum = (key: keyof RowCounts, among: readonly Counted[]): number =>
    among.reduce((total, one) => total + one.counts[key], 0)
  return { deleted: sum('deleted', same), updated: sum('updated', same), inserted: sum('inserted', all) }
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort()
}
