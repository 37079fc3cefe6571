// A dump's statements, sorted: what makes the database, what is said of it, what is run in it.
import { quoteName } from '../../warehouse/quote.ts'

/** One statement, and the settings of where new tables and indexes go that held when it was dumped. */
export interface Job {
  readonly sql: string
  readonly defaults: readonly string[]
}

export interface Definitions {
  /** Makes the database. */
  readonly create: string
  /** Its owner, settings, rights and comment. */
  readonly about: readonly string[]
  /** For every session that runs jobs. */
  readonly settings: readonly string[]
  readonly jobs: readonly Job[]
}

/** Its name is written as quote_ident has it: `DATABASE retail`, `DATABASE "my db"`. */
const OF_DATABASE =
  /^(?:CREATE|ALTER|COMMENT ON|SECURITY LABEL [\s\S]*? ON|GRANT [\s\S]*? ON|REVOKE [\s\S]*? ON|ALTER ROLE [\s\S]*? IN) DATABASE ("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)/

/** What a dump says of the database is said of `as`. */
export function sortDefinitions(statements: readonly string[], as: string): Definitions {
  let create: string | undefined
  const about: string[] = []
  const settings: string[] = []
  const jobs: Job[] = []
  const defaults = new Map<string, string>()
  for (const sql of statements) {
    const match = OF_DATABASE.exec(sql)
    const [, setting] = /^SET (\w+) = /.exec(sql) ?? []
    if (match) {
      const head = match[0].slice(0, match[0].length - match[1]!.length)
      const text = head + quoteName(as) + sql.slice(match[0].length)
      if (sql.startsWith('CREATE DATABASE')) create = text
      // The new database is no template: nobody could drop it.
      else if (!/^ IS_TEMPLATE\b/.test(sql.slice(match[0].length))) about.push(text)
    } else if (setting?.startsWith('default_')) defaults.set(setting, sql)
    else if (setting !== undefined || sql.startsWith('SELECT pg_catalog.set_config(')) settings.push(sql)
    else if (!sql.startsWith('UPDATE pg_catalog.pg_database ')) jobs.push({ sql, defaults: [...defaults.values()] })
  }
  if (create === undefined) throw new Error('the dump makes no database')
  return { create, about, settings: [...new Set(settings)], jobs }
}

/** Statements that may be run side by side: those that make the index of one table, one after the other in the dump. */
export function wavesOf(jobs: readonly Job[]): readonly (readonly Job[])[] {
  const waves: Job[][] = []
  let open = false
  for (const job of jobs) {
    const isIndex =
      /^CREATE (UNIQUE )?INDEX (?!.* ON ONLY )/.test(job.sql) ||
      /^ALTER TABLE ONLY [\s\S]+ ADD CONSTRAINT [\s\S]+? (PRIMARY KEY|UNIQUE|EXCLUDE) /.test(job.sql)
    if (isIndex && open) waves.at(-1)!.push(job)
    else waves.push([job])
    open = isIndex
  }
  return waves
}
