// Which tables a pattern of wharf.yaml names: schema.table or database.schema.table, * for any run of characters within a part.

export interface TableName {
  readonly database: string
  readonly schema: string
  readonly name: string
}

/** A predicate over tables; a pattern of two parts is for any database. */
export function matcherOf(patterns: readonly string[]): (table: TableName) => boolean {
  const parsed = patterns.map(parsePattern)
  return ({ database, schema, name }) =>
    parsed.some((parts) => [database, schema, name].every((text, index) => parts[index]!.test(text)))
}

/** Undefined, or why it is no pattern. */
export function patternProblem(pattern: string): string | undefined {
  const parts = pattern.split('.')
  if (parts.length < 2 || parts.length > 3) return `"${pattern}" is not written schema.table or database.schema.table`
  if (parts.includes('')) return `"${pattern}" has an empty part`
  return undefined
}

function parsePattern(pattern: string): readonly RegExp[] {
  const parts = pattern.split('.')
  const full = parts.length === 2 ? ['*', ...parts] : parts
  return full.map((part) => new RegExp(`^${part.replaceAll(/[\\^$+?()[\]{}|]/g, '\\$&').replaceAll('*', '.*')}$`, 'su'))
}
