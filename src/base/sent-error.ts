// Errors across threads: what an operator reads survives, the stack of a defect too.
import { isWharfError, messageOf, WharfError, type ExitName } from './errors.ts'

/** An error on its way between threads: structured clone would drop code and hint. */
export interface SentError {
  readonly wharf:
    | { readonly code: string; readonly exit: string; readonly passing: boolean; readonly hint: string | undefined }
    | undefined
  readonly message: string
  readonly stack: string | undefined
}

export function sendError(error: unknown): SentError {
  return {
    wharf: isWharfError(error)
      ? { code: error.code, exit: error.exit, passing: error.passing, hint: error.hint }
      : undefined,
    message: messageOf(error),
    stack: error instanceof Error ? error.stack : undefined,
  }
}

export function receiveError(sent: SentError): Error {
  if (sent.wharf) return new WharfError({ ...sent.wharf, exit: sent.wharf.exit as ExitName, message: sent.message })
  const error = new Error(sent.message)
  if (sent.stack !== undefined) error.stack = sent.stack
  return error
}
