// Tiers: which rule says how much a relation matters, and which relations are left out for it. Pure.
import type { MappedRelation } from '../../repository/contract.ts'
import { keyOf } from './files.ts'

export type Tier = MappedRelation['tier']

/** Patterns with `*` and `?`; what is left out matches everything. */
export interface TierRule {
  readonly match: {
    readonly database?: string | undefined
    readonly schema?: string | undefined
    readonly relation?: string | undefined
  }
  readonly tier: Tier
  /** How long an increment may leave changed blocks unread, in milliseconds. */
  readonly defer?: number | undefined
}

/** What the relation map does not say: tables without files of their own, and what refers to what. */
export interface TierFacts {
  readonly tables: readonly {
    readonly databaseOid: number
    readonly database: string
    readonly schema: string
    readonly name: string
    readonly oid: number
    /** oid of the partitioned table that it is a partition of. */
    readonly parent: number | undefined
  }[]
  /** Foreign keys: the table `from` refers to the table `to`. */
  readonly references: readonly { readonly databaseOid: number; readonly from: number; readonly to: number }[]
}

export interface Tiered {
  readonly relations: readonly MappedRelation[]
  /** keyOf() the files that are left out. */
  readonly leftOut: ReadonlySet<string>
  /** keyOf() the files whose reading may be deferred → for how long, in milliseconds. */
  readonly deferred: ReadonlyMap<string, number>
  /** Scratch relations that are stored all the same, and why. */
  readonly notes: readonly string[]
}

/** Never left out, whatever a rule says: without them no database opens. */
export function isSystemSchema(schema: string): boolean {
  return schema === 'information_schema' || schema.startsWith('pg_')
}

/** System schemas that a pattern names. `*` alone names nothing: it means all that may be meant. */
export function systemSchemasOf(pattern: string): readonly string[] {
  if (pattern === '*') return []
  return ['pg_catalog', 'pg_toast', 'information_schema'].filter((schema) => matches(pattern, schema))
}

export function matches(pattern: string | undefined, name: string): boolean {
  if (pattern === undefined) return true
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's').test(name)
}

interface Named {
  readonly database: string
  readonly schema: string
  readonly name: string
}

/** The most specific of the rules that match: relation before schema before database; of equals the first. */
export function ruleFor(one: Named, rules: readonly TierRule[]): TierRule | undefined {
  const weight = ({ match }: TierRule): number =>
    (match.relation === undefined ? 0 : 4) +
    (match.schema === undefined ? 0 : 2) +
    (match.database === undefined ? 0 : 1)
  let best: TierRule | undefined
  for (const rule of rules) {
    const { database, schema, relation } = rule.match
    if (!matches(database, one.database) || !matches(schema, one.schema) || !matches(relation, one.name)) continue
    if (best === undefined || weight(rule) > weight(best)) best = rule
  }
  return best
}

const idOf = (databaseOid: number, oid: number): string => `${databaseOid}/${oid}`

/** Indexes and TOAST follow their table, partitions their parent unless a rule names them. */
export function assignTiers(
  relations: readonly MappedRelation[],
  facts: TierFacts,
  rules: readonly TierRule[],
): Tiered {
  return new Assignment(relations, facts, rules).result()
}

class Assignment {
  private readonly relations: readonly MappedRelation[]
  private readonly facts: TierFacts
  private readonly rules: readonly TierRule[]
  private readonly tables = new Map<string, TierFacts['tables'][number]>()
  private readonly byId = new Map<string, MappedRelation>()

  constructor(relations: readonly MappedRelation[], facts: TierFacts, rules: readonly TierRule[]) {
    this.relations = relations
    this.facts = facts
    this.rules = rules
    for (const table of facts.tables) this.tables.set(idOf(table.databaseOid, table.oid), table)
    for (const relation of relations) this.byId.set(idOf(relation.databaseOid, relation.oid), relation)
  }

  result(): Tiered {
    const tiered = this.relations.map((one) => ({ ...one, tier: this.tierOf(this.ownerOf(one)) }))
    const { left, notes } = this.leaveOut()
    const leftOut = new Set<string>()
    const deferred = new Map<string, number>()
    for (const one of tiered) {
      const owner = this.ownerOf(one)
      if (left.has(idOf(owner.databaseOid, owner.oid)) && one.kind !== 'S') leftOut.add(keyOf(one.file))
      const deferMs = one.persistence === 'p' ? this.ruleOf(owner)?.defer : undefined
      if (deferMs !== undefined) deferred.set(keyOf(one.file), deferMs)
    }
    return { relations: tiered, leftOut, deferred, notes }
  }

  /** The table of an index, of a TOAST table, of a TOAST table's index. */
  private ownerOf(relation: MappedRelation): MappedRelation {
    let owner = relation
    while (owner.belongsTo !== undefined) {
      const next = this.byId.get(idOf(owner.databaseOid, owner.belongsTo))
      if (next === undefined) return owner
      owner = next
    }
    return owner
  }

  private tierOf(owner: MappedRelation): Tier {
    return this.ruleOf(owner)?.tier ?? 'standard'
  }

  /** System catalogs have none. */
  private ruleOf(owner: MappedRelation): TierRule | undefined {
    if (owner.databaseOid === 0 || isSystemSchema(owner.schema)) return undefined
    const rule = ruleFor(owner, this.rules)
    if (rule?.match.relation !== undefined) return rule
    for (let at = this.tables.get(idOf(owner.databaseOid, owner.oid)); at?.parent !== undefined;) {
      at = this.tables.get(idOf(owner.databaseOid, at.parent))
      const parents = at && ruleFor(at, this.rules)
      if (parents?.match.relation !== undefined || (parents && at?.parent === undefined)) return parents
    }
    return rule
  }

  private leaveOut(): { left: ReadonlySet<string>; notes: readonly string[] } {
    const left = new Set<string>()
    for (const one of this.relations) {
      const isTable = (one.kind === 'r' || one.kind === 'm') && one.persistence === 'p'
      if (isTable && this.tierOf(one) === 'scratch') left.add(idOf(one.databaseOid, one.oid))
    }
    const notes: string[] = []
    // A restore empties by TRUNCATE, and that refuses a table to which one refers that is kept.
    for (let again = true; again;) {
      again = false
      for (const { databaseOid, from, to } of this.facts.references) {
        const [referring, referred] = [idOf(databaseOid, from), idOf(databaseOid, to)]
        if (!left.has(referred) || left.has(referring)) continue
        left.delete(referred)
        again = true
        const [by, of] = [this.tables.get(referring), this.tables.get(referred)]
        notes.push(`${nameOf(of)} is stored although its tier is scratch: a foreign key of ${nameOf(by)} refers to it`)
      }
    }
    return { left, notes }
  }
}

function nameOf(one: Named | undefined): string {
  return one === undefined ? 'a relation' : `${one.database}.${one.schema}.${one.name}`
}
