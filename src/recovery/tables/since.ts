// What has become of a table since then, beside its rows: a swap undoes that, and nobody should have to find it out afterwards. Of a partitioned table the root is looked at.
import type { Grant, TableShape } from './definition.ts'

export interface Since {
  /** Made since then: goes with the live table. */
  readonly made: readonly string[]
  /** Dropped since then: comes back. */
  readonly dropped: readonly string[]
  /** Becomes what it was then. */
  readonly changed: readonly string[]
}

export function since(then: TableShape, now: TableShape): Since {
  const [old, live] = [partsOf(then), partsOf(now)]
  return {
    made: [...live.keys()].filter((what) => !old.has(what)),
    dropped: [...old.keys()].filter((what) => !live.has(what)),
    changed: [...old].flatMap(([what, text]) => (live.has(what) && live.get(what) !== text ? [what] : [])),
  }
}

export function sinceText(table: string, { made, dropped, changed }: Since): string | undefined {
  const parts = [
    ...(made.length > 0 ? [`made since then and gone with the live table: ${made.join(', ')}`] : []),
    ...(dropped.length > 0 ? [`dropped since then and back: ${dropped.join(', ')}`] : []),
    ...(changed.length > 0 ? [`as it was then: ${changed.join(', ')}`] : []),
  ]
  return parts.length === 0 ? undefined : `${table}: ${parts.join('; ')}`
}

/** What it is, and what it says. */
function partsOf(table: TableShape): ReadonlyMap<string, string> {
  const { owner, rules, columns, indexes, triggers, policies, constraints } = table
  return new Map([
    ['the owner', owner],
    ['row level security', `${table.rowSecurity} ${table.forceRowSecurity}`],
    ['the replica identity', `${table.replicaIdentity} ${table.replicaIndex ?? ''}`],
    ...policies.map((one) => [`policy ${one.name}`, JSON.stringify({ ...one, comment: undefined })] as const),
    ...grantsOf(table.grants ?? [], owner),
    ...columns.flatMap((column) => grantsOf(column.grants, owner, ` (${column.name})`)),
    ...triggers.map(({ name, text, enabled }) => [`trigger ${name}`, `${text} ${enabled}`] as const),
    ...constraints.map((one) => [`constraint ${one.name}`, `${one.text} ${one.validated}`] as const),
    ...indexes
      .filter((index) => !constraints.some((one) => one.index === index.oid))
      .map((index) => [`index ${index.name}`, index.text] as const),
    ...rules.map((rule) => [`rule ${rule}`, ''] as const),
  ])
}

/** Its owner may do everything without being granted it. */
function grantsOf(grants: readonly Grant[], owner: string, column = ''): readonly (readonly [string, string])[] {
  return grants
    .filter(({ grantee }) => grantee !== owner)
    .map(({ grantee, privilege, grantable }) => [`${privilege}${column} for ${grantee ?? 'public'}`, String(grantable)])
}
