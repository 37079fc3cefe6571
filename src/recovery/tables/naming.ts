// What everything that is made is called, and where it lies until it is put in its place: in a schema of its own for each schema that it will be in, under the name
// that it will keep.
import type { TableDefinition } from './definition.ts'
import { literal, nameWith, sqlName } from './names.ts'

export interface Placed {
  /** Where it will be. */
  readonly schema: string
  readonly name: string
  /** Where it is made. */
  readonly staging: string
}

/** Names by the oids that things have in the sandbox; of extended statistics by schema and name. */
export interface Naming {
  readonly tables: ReadonlyMap<number, Placed>
  readonly indexes: ReadonlyMap<number, string>
  readonly sequences: ReadonlyMap<number, Placed>
  readonly statistics: ReadonlyMap<string, Placed>
  /** The schemas in which everything is made, and for which. */
  readonly stagings: ReadonlyMap<string, string>
}

export interface NamingRequest {
  /** Of everything that is made: so that what an earlier recovery left can be told apart. */
  readonly id: string
  readonly definitions: readonly TableDefinition[]
  /** What names of a table, its indexes and sequences end in; '' keeps them. */
  readonly ending: (table: TableDefinition) => string
  /** Of roots that get a name of their own, by oid. */
  readonly chosen: ReadonlyMap<number, { readonly schema: string; readonly name: string }>
  /** Names of relations (and types) that are taken on the live server and stay so: `schema.name`. */
  readonly taken: ReadonlySet<string>
}

export function nameAll(request: NamingRequest): Naming {
  const taken = new Set(request.taken)
  const stagings = new Map<string, string>()
  const stagingFor = (schema: string): string => {
    const known = stagings.get(schema)
    if (known !== undefined) return known
    const made = `wharf_recovery_${request.id}_${stagings.size}`
    stagings.set(schema, made)
    return made
  }
  const free = (schema: string, name: string, ending: string): string => {
    let found = nameWith(name, ending)
    for (let count = 2; taken.has(`${schema}.${found}`); count++) found = nameWith(name, `${ending}_${count}`)
    taken.add(`${schema}.${found}`)
    return found
  }
  const tables = new Map<number, Placed>()
  const indexes = new Map<number, string>()
  const sequences = new Map<number, Placed>()
  const statistics = new Map<string, Placed>()
  for (const one of request.definitions) {
    const chosen = request.chosen.get(one.oid)
    const schema = chosen?.schema ?? one.schema
    const name = chosen?.name ?? free(schema, one.name, request.ending(one))
    if (chosen) taken.add(`${schema}.${name}`)
    tables.set(one.oid, { schema, name, staging: stagingFor(schema) })
  }
  for (const one of request.definitions) {
    const { schema, staging } = tables.get(one.oid)!
    const ending = request.ending(one)
    for (const index of one.indexes) indexes.set(index.oid, free(schema, index.name, ending))
    // Owned sequences move with their table.
    for (const sequence of one.sequences)
      sequences.set(sequence.oid, { schema, name: free(schema, sequence.name, ending), staging })
    for (const { schema: own, name } of one.statistics)
      statistics.set(`${own}.${name}`, { schema, name: free(schema, name, ending), staging })
  }
  return { tables, indexes, sequences, statistics, stagings }
}

export function staged(placed: Placed): string {
  return sqlName({ schema: placed.staging, name: placed.name })
}

/** An expression of the sandbox, with the sequences of the tables as they are called here. */
export function withSequences(expression: string, definitions: readonly TableDefinition[], naming: Naming): string {
  let text = expression
  for (const { sequences } of definitions) {
    for (const one of sequences) {
      const placed = naming.sequences.get(one.oid)!
      text = text.replaceAll(`${one.literal}::regclass`, `${literal(staged(placed)).trim()}::regclass`)
    }
  }
  return text
}
