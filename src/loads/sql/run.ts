// Runs the SQL of a task within the load's transaction, and places its errors in the file.
import { readFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { basename } from 'node:path'

import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { errors } from '../errors.ts'
import type { SqlSource } from '../inputs.ts'
import { isPassingState, type LoadInput } from '../journal/transaction.ts'
import { lineAndColumn, transactionControl } from './statements.ts'

export interface ReadSql {
  /** For messages and the journal: the file's name. */
  readonly name: string
  readonly text: string
  readonly bytes: Buffer
  readonly input: LoadInput
}

/** Reads the file now, so that a corrected one counts for the next try. `inline` names SQL that has no file. */
export async function readSql(source: SqlSource, inline: string): Promise<ReadSql> {
  const bytes = 'file' in source ? await readBytes(source.file) : Buffer.from(source.text)
  const name = 'file' in source ? basename(source.file) : inline
  const text = bytes.toString('utf8')
  const control = transactionControl(text)
  if (control)
    throw errors.transactionControl({ file: name, ...lineAndColumn(text, control.offset), word: control.word })
  return {
    name,
    text,
    bytes,
    input: { name, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length },
  }
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw errors.noFile({ file, what: 'the file of SQL' }, { cause: error })
    throw errors.unreadable({ file, reason: messageOf(error) }, { cause: error })
  }
}

/**
 * All statements in one simple query. Rejects with `loads.statement-failed` or, where it can pass, `loads.statement-held-up`; `forFile` is
 * the file of input for which it runs.
 */
export async function runSql(session: Session, sql: ReadSql, forFile?: string): Promise<void> {
  try {
    await session.query(sql.text)
  } catch (error) {
    throw explainSql(error, forFile === undefined ? sql : { name: `${forFile}: ${sql.name}`, text: sql.text })
  }
}

interface DatabaseError {
  readonly code: string
  readonly message: string
  readonly position?: string
  readonly detail?: string
}

/** Errors of PostgreSQL in terms of the file; others as they are. */
export function explainSql(error: unknown, sql: Pick<ReadSql, 'name' | 'text'>): unknown {
  if (isWharfError(error)) return error
  const code = codeOf(error)
  if (code === undefined || !/^[0-9A-Z]{5}$/.test(code)) return error
  const { message, position, detail } = error as DatabaseError
  const place = position === undefined ? {} : lineAndColumn(sql.text, offsetOf(sql.text, Number(position)))
  if (isPassingState(error))
    return errors.statementHeldUp({ file: sql.name, ...place, reason: message }, { cause: error })
  return errors.statementFailed({ file: sql.name, ...place, reason: message, detail }, { cause: error })
}

/** PostgreSQL counts characters from 1; JavaScript counts UTF-16 units from 0. */
function offsetOf(text: string, position: number): number {
  let offset = 0
  for (let left = position - 1; left > 0 && offset < text.length; left--)
    offset += text.codePointAt(offset)! > 0xffff ? 2 : 1
  return offset
}
