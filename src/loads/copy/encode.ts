// From checked records to the text format of COPY: tabs between values, \N for none.
import type { CopyInput } from '../inputs.ts'
import { errors } from '../errors.ts'
import type { CsvRecord } from './csv.ts'
import type { HeaderPlan } from './target.ts'

const SPECIAL = /[\\\t\n\r]/
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** Counts what it encodes, and knows the line of the file for each line that the server saw. */
export class CopyEncoder {
  rows = 0
  private readonly plan: HeaderPlan
  private readonly nulls: ReadonlySet<string>
  private readonly file: string
  /** Where lines of the file stop being records + 1: record number (from 1) → line. Few, unless values hold line breaks. */
  private readonly jumps: { record: number; line: number }[] = []

  constructor(plan: HeaderPlan, input: Pick<CopyInput, 'nullWords'>, file: string) {
    this.plan = plan
    this.nulls = new Set(input.nullWords)
    this.file = file
  }

  /** Rejects the first value that does not fit, with its place. */
  encode(records: readonly CsvRecord[]): Buffer {
    const lines = records.map((record) => this.line(record))
    return Buffer.from(`${lines.join('\n')}\n`, 'utf8')
  }

  private line(record: CsvRecord): string {
    const { fields: plans, names } = this.plan
    const { fields, quoted } = record
    if (fields.length !== plans.length) throw this.wrongCount(record)
    this.rows++
    const last = this.jumps.at(-1)
    if (record.line - this.rows !== (last ? last.line - last.record : 1))
      this.jumps.push({ record: this.rows, line: record.line })
    const values: string[] = []
    for (let index = 0; index < plans.length; index++) {
      const plan = plans[index]
      if (plan === undefined) continue
      const value = fields[index]!
      if (this.nulls.has(value) && quoted?.[index] !== true) {
        if (plan.column.notNull)
          throw errors.missingValue({ file: this.file, ...record.placeOf(index), name: names[index]!, value })
        values.push('\\N')
        continue
      }
      const problem = plan.check?.(value)
      if (problem !== undefined)
        throw errors.badValue({ file: this.file, ...record.placeOf(index), name: names[index]!, value, problem })
      values.push(SPECIAL.test(value) ? value.replaceAll(/[\\\t\n\r]/g, (one) => escapes[one]!) : value)
    }
    return values.join('\t')
  }

  private wrongCount(record: CsvRecord): Error {
    const found = record.fields.length
    const wanted = this.plan.fields.length
    const { line, column } = record.placeOf(found > wanted ? wanted : Math.max(0, found - 1))
    return errors.fieldCount({ file: this.file, line, column, found, wanted })
  }

  /** The line of the file for line `number` (from 1) of what was sent. */
  lineOf(number: number): number {
    const jump = this.jumps.findLast((one) => one.record <= number)
    return jump ? jump.line + (number - jump.record) : number + 1
  }
}
