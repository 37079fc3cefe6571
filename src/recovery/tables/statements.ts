// The statements that make a table anew, in the order in which PostgreSQL is quickest with them: bare tables, then (with the rows in between) indexes, constraints and
// everything else.
import { quoteName } from '../../warehouse/quote.ts'
import type { Column, Constraint, Grant, Index, Sequence, TableDefinition } from './definition.ts'
import { literal, sqlName } from './names.ts'
import { staged, withSequences, type Naming } from './naming.ts'

export interface Making {
  /** All that are made together, parents first. */
  readonly definitions: readonly TableDefinition[]
  readonly naming: Naming
  readonly major: number
  /** Roles and tablespaces of the live server: what is granted to, owned by or laid in others is left out and noted. */
  readonly roles: ReadonlySet<string>
  readonly tablespaces: ReadonlySet<string>
  /** Whether a table goes again when it has been compared or merged from: it need not survive a crash, nor be sent to subscribers. */
  readonly isPassing: (table: TableDefinition) => boolean
}

/** A text of PostgreSQL's own, cut apart where a name of the sandbox stands. Anything else than expected is a defect of ours, and better known. */
function replaced(text: string, from: string, to: string): string {
  const at = text.indexOf(from)
  if (at === -1) throw new Error(`"${from}" is not in "${text}"`)
  return text.slice(0, at) + to + text.slice(at + from.length)
}

function tableOf(one: TableDefinition, { naming }: Making): string {
  return staged(naming.tables.get(one.oid)!)
}

export function createTable(one: TableDefinition, making: Making): readonly string[] {
  const { naming, tablespaces } = making
  const isPartition = one.partitionOf !== undefined && naming.tables.has(one.partitionOf.oid)
  const elements = [
    ...one.columns.map((column) => columnText(column, one, making)),
    ...one.constraints
      .filter((each) => (each.kind === 'c' || each.kind === 'n') && each.validated)
      .map((each) => `constraint ${quoteName(each.name)} ${withSequences(each.text, making.definitions, naming)}`),
  ]
  const options = [...one.options, ...one.toastOptions.map((option) => `toast.${option}`)]
  const parts = [
    ...sequencesOf(one, making),
    `create ${one.kind === 'r' && making.isPassing(one) ? 'unlogged ' : ''}table ${tableOf(one, making)} (${elements.join(', ')})` +
      (one.partitionKey === undefined ? '' : ` partition by ${one.partitionKey}`) +
      (one.access === undefined || one.access === 'heap' ? '' : ` using ${quoteName(one.access)}`) +
      (options.length === 0 ? '' : ` with (${options.map(optionText).join(', ')})`) +
      (one.tablespace === undefined || !tablespaces.has(one.tablespace)
        ? ''
        : ` tablespace ${quoteName(one.tablespace)}`),
    ...one.columns.flatMap((column) => columnSettings(column, tableOf(one, making))),
    ...one.sequences
      .filter((each) => !each.identity)
      .map(
        (each) =>
          `alter sequence ${staged(naming.sequences.get(each.oid)!)} owned by ${tableOf(one, making)}.${quoteName(each.column)}`,
      ),
  ]
  if (!isPartition) return parts
  const parent = staged(naming.tables.get(one.partitionOf.oid)!)
  return [...parts, `alter table only ${parent} attach partition ${tableOf(one, making)} ${one.partitionOf.bound}`]
}

function optionText(option: string): string {
  const equals = option.indexOf('=')
  return `${option.slice(0, equals)} = ${literal(option.slice(equals + 1))}`
}

function columnText(column: Column, table: TableDefinition, making: Making): string {
  const expression =
    column.expression === undefined ? undefined : withSequences(column.expression, making.definitions, making.naming)
  return [
    `${quoteName(column.name)} ${column.type}`,
    ...(column.collation === undefined ? [] : [`collate ${column.collation}`]),
    ...(expression === undefined || column.generated !== '' ? [] : [`default ${expression}`]),
    ...(column.generated === ''
      ? []
      : [`generated always as (${expression}) ${column.generated === 'v' ? 'virtual' : 'stored'}`]),
    // A partition gets identity from its parent (17), or has none (before).
    ...(column.identity === '' || table.partitionOf !== undefined ? [] : [identityText(column, table, making)]),
    // 18 has names for them: they come with the constraints.
    ...(column.notNull && !hasNamedNotNull(column, table) ? ['not null'] : []),
  ].join(' ')
}

function hasNamedNotNull(column: Column, table: TableDefinition): boolean {
  return table.constraints.some(
    (one) =>
      one.kind === 'n' &&
      [column.name, quoteName(column.name)].some((name) => `${one.text} `.startsWith(`NOT NULL ${name} `)),
  )
}

function identityText(column: Column, table: TableDefinition, making: Making): string {
  const sequence = table.sequences.find((one) => one.identity && one.column === column.name)
  const how = column.identity === 'a' ? 'always' : 'by default'
  if (!sequence) return `generated ${how} as identity`
  const name = staged(making.naming.sequences.get(sequence.oid)!)
  return `generated ${how} as identity (sequence name ${name} ${sequenceOptions(sequence)})`
}

function sequenceOptions(one: Sequence): string {
  return `start ${one.start} increment ${one.increment} minvalue ${one.min} maxvalue ${one.max} cache ${one.cache} ${one.cycle ? 'cycle' : 'no cycle'}`
}

function sequencesOf(one: TableDefinition, { naming }: Making): readonly string[] {
  return one.sequences
    .filter((each) => !each.identity)
    .map(
      (each) => `create sequence ${staged(naming.sequences.get(each.oid)!)} as ${each.type} ${sequenceOptions(each)}`,
    )
}

function columnSettings(column: Column, table: string): readonly string[] {
  const alter = `alter table only ${table} alter column ${quoteName(column.name)}`
  return [
    ...(column.storage === undefined ? [] : [`${alter} set storage ${column.storage}`]),
    ...(column.compression === undefined ? [] : [`${alter} set compression ${column.compression}`]),
    ...(column.statistics === undefined ? [] : [`${alter} set statistics ${column.statistics}`]),
    ...(column.options.length === 0 ? [] : [`${alter} set (${column.options.map(optionText).join(', ')})`]),
  ]
}

/** A unit of work that may run beside others: the statements of one index, in order. */
export function createIndexes(one: TableDefinition, making: Making): readonly (readonly string[])[] {
  const byIndex = new Map(one.constraints.flatMap((each) => (each.index === undefined ? [] : [[each.index, each]])))
  return one.indexes
    .filter((index) => index.valid || one.kind === 'p')
    .map((index) => indexStatements(index, { one, making, constraint: byIndex.get(index.oid) }))
}

function indexStatements(
  index: Index,
  of: { one: TableDefinition; making: Making; constraint: Constraint | undefined },
): readonly string[] {
  const { one, making, constraint } = of
  const name = making.naming.indexes.get(index.oid)!
  const table = tableOf(one, making)
  const { staging } = making.naming.tables.get(one.oid)!
  const full = sqlName({ schema: staging, name })
  const space =
    index.tablespace !== undefined && making.tablespaces.has(index.tablespace) ? quoteName(index.tablespace) : "''"
  const head = [`set default_tablespace = ${space}`]
  const only = `create ${index.unique ? 'unique ' : ''}index ${quoteName(name)} on ${one.kind === 'p' ? 'only ' : ''}${table} using `
  const from = `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${index.quoted} ON ${one.kind === 'p' ? 'ONLY ' : ''}${one.qualified} USING `
  const create = (): string => replaced(index.text, from, only)
  const made =
    constraint === undefined
      ? [create()]
      : usesIndex(constraint, one)
        ? [
            create(),
            `alter table only ${table} add constraint ${quoteName(name)} ${constraint.kind === 'p' ? 'primary key' : 'unique'} using index ${quoteName(name)}${deferText(constraint)}`,
          ]
        : [`alter table only ${table} add constraint ${quoteName(name)} ${constraint.text}`]
  const parent = index.parent === undefined ? undefined : parentIndex(index.parent, making)
  return [
    ...head,
    ...made,
    ...index.statistics.map(
      ({ column, target }) => `alter index ${full} alter column ${column} set statistics ${target}`,
    ),
    ...(index.clustered ? [`alter table only ${table} cluster on ${quoteName(name)}`] : []),
    ...(index.comment === undefined ? [] : [`comment on index ${full} is ${literal(index.comment)}`]),
    ...(parent === undefined ? [] : [`alter index ${parent} attach partition ${full}`]),
  ]
}

/** Of a partitioned table, and of exclusion, a constraint makes its index itself. */
function usesIndex(constraint: Constraint, one: TableDefinition): boolean {
  return (
    one.kind === 'r' &&
    (constraint.kind === 'p' || constraint.kind === 'u') &&
    !constraint.period &&
    constraint.indexMethod === 'btree'
  )
}

function deferText({ deferrable, deferred }: Constraint): string {
  return deferrable ? ` deferrable initially ${deferred ? 'deferred' : 'immediate'}` : ''
}

function parentIndex(oid: number, { definitions, naming }: Making): string | undefined {
  const owner = definitions.find((one) => one.indexes.some((index) => index.oid === oid))
  const name = naming.indexes.get(oid)
  return owner && name !== undefined ? sqlName({ schema: naming.tables.get(owner.oid)!.staging, name }) : undefined
}

/** Without foreign keys. */
export function afterRows(one: TableDefinition, making: Making): readonly string[] {
  const table = tableOf(one, making)
  const { naming } = making
  return [
    ...one.constraints
      .filter((each) => (each.kind === 'c' || each.kind === 'n') && !each.validated)
      .map((each) => `alter table only ${table} add constraint ${quoteName(each.name)} ${each.text}`),
    ...replicaIdentity(one, making),
    ...one.statistics.flatMap((each) => {
      const full = staged(naming.statistics.get(`${each.schema}.${each.name}`)!)
      const text = replaced(each.text, `CREATE STATISTICS ${each.qualified}`, `create statistics ${full}`)
      return [
        replaced(text, ` FROM ${one.qualified}`, ` from ${table}`),
        ...(each.target === undefined ? [] : [`alter statistics ${full} set statistics ${each.target}`]),
        ...(each.comment === undefined ? [] : [`comment on statistics ${full} is ${literal(each.comment)}`]),
      ]
    }),
    ...one.triggers.flatMap((each) => [
      replaced(each.text, ` ON ${one.qualified} `, ` on ${table} `),
      ...(triggerStates[each.enabled] === undefined
        ? []
        : [`alter table ${table} ${triggerStates[each.enabled]} trigger ${quoteName(each.name)}`]),
      ...(each.comment === undefined
        ? []
        : [`comment on trigger ${quoteName(each.name)} on ${table} is ${literal(each.comment)}`]),
    ]),
    ...policies(one, making),
    ...comments(one, making),
  ]
}

const triggerStates: Readonly<Record<string, string>> = {
  D: 'disable',
  R: 'enable replica',
  A: 'enable always',
}

function replicaIdentity(one: TableDefinition, making: Making): readonly string[] {
  const table = tableOf(one, making)
  if (one.replicaIdentity === 'f') return [`alter table only ${table} replica identity full`]
  if (one.replicaIdentity === 'n') return [`alter table only ${table} replica identity nothing`]
  const index = one.indexes.find((each) => each.name === one.replicaIndex)
  if (one.replicaIdentity !== 'i' || !index) return []
  return [`alter table only ${table} replica identity using index ${quoteName(making.naming.indexes.get(index.oid)!)}`]
}

function policies(one: TableDefinition, making: Making): readonly string[] {
  const table = tableOf(one, making)
  return [
    ...one.policies.flatMap((each) => {
      const roles = each.roles.filter((role) => role === 'public' || making.roles.has(role))
      // Without any of its roles it would be for everybody.
      if (roles.length === 0) return []
      return [
        `create policy ${quoteName(each.name)} on ${table} as ${each.permissive ? 'permissive' : 'restrictive'} for ${each.command} to ${roles
          .map((role) => (role === 'public' ? 'public' : quoteName(role)))
          .join(', ')}` +
          (each.using === undefined ? '' : ` using (${each.using})`) +
          (each.check === undefined ? '' : ` with check (${each.check})`),
        ...(each.comment === undefined
          ? []
          : [`comment on policy ${quoteName(each.name)} on ${table} is ${literal(each.comment)}`]),
      ]
    }),
    ...(one.rowSecurity ? [`alter table only ${table} enable row level security`] : []),
    ...(one.forceRowSecurity ? [`alter table only ${table} force row level security`] : []),
  ]
}

function comments(one: TableDefinition, making: Making): readonly string[] {
  const table = tableOf(one, making)
  return [
    ...(one.comment === undefined ? [] : [`comment on table ${table} is ${literal(one.comment)}`]),
    ...one.columns.flatMap((each) =>
      each.comment === undefined
        ? []
        : [`comment on column ${table}.${quoteName(each.name)} is ${literal(each.comment)}`],
    ),
    ...one.constraints.flatMap((each) => {
      if (each.comment === undefined || each.kind === 'f') return []
      const name = each.index === undefined ? each.name : making.naming.indexes.get(each.index)!
      return [`comment on constraint ${quoteName(name)} on ${table} is ${literal(each.comment)}`]
    }),
    ...one.sequences.flatMap((each) =>
      each.comment === undefined
        ? []
        : [`comment on sequence ${staged(making.naming.sequences.get(each.oid)!)} is ${literal(each.comment)}`],
    ),
  ]
}

/** Owner and grants, under the names that are kept: last, since afterwards the table may be somebody else's. */
export function ownership(one: TableDefinition, making: Making): readonly string[] {
  const table = sqlName(making.naming.tables.get(one.oid)!)
  const known = (grant: Grant): boolean => grant.grantee === undefined || making.roles.has(grant.grantee)
  const owner = making.roles.has(one.owner) ? one.owner : undefined
  return [
    ...(one.grants ?? [])
      .filter(known)
      .filter((grant) => grant.grantee !== one.owner)
      .map((grant) => grantText(grant, `table ${table}`)),
    ...one.columns.flatMap((column) =>
      column.grants.filter(known).map((grant) => grantText(grant, `table ${table}`, column.name)),
    ),
    ...one.sequences.flatMap((sequence) =>
      (sequence.grants ?? [])
        .filter(known)
        .filter((grant) => grant.grantee !== sequence.owner)
        .map((grant) => grantText(grant, `sequence ${sqlName(making.naming.sequences.get(sequence.oid)!)}`)),
    ),
    ...(owner === undefined ? [] : [`alter table only ${table} owner to ${quoteName(owner)}`]),
  ]
}

function grantText(grant: Grant, on: string, column?: string): string {
  const to = grant.grantee === undefined ? 'public' : quoteName(grant.grantee)
  const what = column === undefined ? grant.privilege : `${grant.privilege} (${quoteName(column)})`
  return `grant ${what} on ${on} to ${to}${grant.grantable ? ' with grant option' : ''}`
}

/** What the live server lacks, so that it is left out: said to the operator. */
export function leftOut(one: TableDefinition, { roles, tablespaces }: Making): readonly string[] {
  const missing = new Set<string>()
  const all = [...(one.grants ?? []), ...one.columns.flatMap((each) => each.grants)]
  for (const { grantee } of all) if (grantee !== undefined && !roles.has(grantee)) missing.add(grantee)
  return [
    ...(roles.has(one.owner) ? [] : [`its owner ${one.owner} does not exist any more`]),
    ...[...missing]
      .filter((role) => role !== one.owner)
      .map((role) => `role ${role} does not exist any more: its grants are left out`),
    ...(one.tablespace === undefined || tablespaces.has(one.tablespace)
      ? []
      : [`tablespace ${one.tablespace} does not exist any more: it lies in the default one`]),
    ...one.policies
      .filter((each) => !each.roles.some((role) => role === 'public' || roles.has(role)))
      .map((each) => `policy ${each.name} is left out: none of its roles exists any more`),
    ...one.rules.map((rule) => `rule ${rule} is not carried over`),
    ...one.indexes
      .filter((index) => !index.valid && one.kind === 'r')
      .map((index) => `index ${index.name} was not valid: it is left out`),
  ]
}
