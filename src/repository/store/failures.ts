// System errors of a file store → errors that say what to try.
import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import { storeErrors as errors, NO_FOLDER } from '../store-errors.ts'

/** `what` completes "could not …": `write packs/ab/…`. */
export function storeFailure(location: string, what: string, error: unknown): Error {
  if (isWharfError(error)) return error
  const cause = { cause: error }
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return errors.full({ location, what }, cause)
    case 'EACCES':
    case 'EPERM':
      return errors.denied({ location, what }, cause)
    case 'EROFS':
      return errors.readOnly({ location }, cause)
    case 'ENOTDIR':
      return errors.notAFolder({ location }, cause)
    case 'ENOENT':
      return errors.unreachable({ location, reason: NO_FOLDER }, cause)
    case 'ESTALE':
    case 'ETIMEDOUT':
    case 'EHOSTDOWN':
    case 'ENOTCONN':
      return errors.unreachable({ location, reason: messageOf(error) }, cause)
    case undefined:
      return error instanceof Error ? error : new Error(String(error))
    default:
      return errors.failedIo({ location, what, reason: messageOf(error) }, cause)
  }
}
