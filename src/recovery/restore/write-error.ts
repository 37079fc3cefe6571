// What a failed write to a target is called.
import { codeOf, messageOf } from '../../base/errors.ts'
import { recoveryErrors as errors } from '../errors.ts'

/** Errors of this program stay what they are. */
export function writeError(error: unknown, path: string): Error {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return errors.diskFull({ path }, { cause: error })
  if (error instanceof Error && 'exit' in error) return error
  return errors.writeFailed({ path, why: messageOf(error) }, { cause: error })
}
