// Lines of pg_hba.conf that keep everybody out of databases.

/** From there on a name that begins with a slash is a regular expression, quoted or not. */
const EXPRESSIONS = 160_000

/** Before a backend begins to open the database: PostgreSQL asks `datallowconn` only when its catalogs have been read. */
export function closedRules(closed: readonly string[], postgresVersion: number): string {
  const literal = (name: string): string => {
    const isExpression = name.startsWith('/') && postgresVersion >= EXPRESSIONS
    const text = isExpression ? `/^${name.replace(/[\\^$.|?*+()[\]{}]/g, String.raw`\$&`)}$` : name
    return `"${text.replaceAll('"', '""')}"`
  }
  const names = closed.filter((name) => !/[\n\r]/.test(name)).map(literal)
  return names.map((name) => `local ${name} all reject\nhost ${name} all all reject\n`).join('')
}
