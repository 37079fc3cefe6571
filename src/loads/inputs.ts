// What a task of this room is given: its part of wharf.yaml with paths made absolute, as stored with the run.
import { z } from 'zod'

const where = {
  warehouse: z.string(),
  database: z.string().optional(),
  logged: z.boolean(),
  /** Whether inputs are kept in the repositories. Runs from before that was possible have none. */
  keep: z.boolean().default(false),
}

/** A file, read when the task runs, or the SQL itself. */
const sqlSource = z.union([z.strictObject({ file: z.string() }), z.strictObject({ text: z.string() })])
export type SqlSource = z.output<typeof sqlSource>

export const sqlInput = z.strictObject({ ...where, source: sqlSource, settings: z.record(z.string(), z.string()) })
export type SqlInput = z.output<typeof sqlInput>

export const copyInput = z.strictObject({
  ...where,
  into: z.string(),
  folder: z.string(),
  files: z.string(),
  settleMs: z.number(),
  again: z.enum(['never', 'when_changed']),
  mode: z.enum(['append', 'replace']),
  onError: z.enum(['stop', 'skip_file']),
  before: sqlSource.optional(),
  after: sqlSource.optional(),
  columns: z.record(z.string(), z.string()),
  ignore: z.array(z.string()),
  absent: z.array(z.string()),
  nullWords: z.array(z.string()),
  delimiter: z.string(),
  quote: z.string(),
  finalNewline: z.boolean(),
  /** Only files of these business dates, both included. */
  dates: z.strictObject({ from: z.string(), to: z.string() }).optional(),
})
export type CopyInput = z.output<typeof copyInput>

export const commandInput = z.strictObject({
  argv: z.array(z.string()).min(1),
  env: z.record(z.string(), z.string()),
  folder: z.string(),
  /** Where it works, and whether what it writes there is logged: false keeps it apart from backups. */
  warehouse: z.string().optional(),
  logged: z.boolean().default(true),
  keep: z.boolean().default(false),
  database: z.string().optional(),
})
export type CommandInput = z.output<typeof commandInput>
