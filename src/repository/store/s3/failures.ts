// What the client library throws → errors that say what failed on what, and whether it may pass.
import { codeOf, isWharfError, messageOf } from '../../../base/errors.ts'
import { storeErrors as errors } from '../../store-errors.ts'

/** An answer of the server or of the library, as far as it can be told apart. */
interface ServiceError {
  readonly name?: string
  readonly message?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

export function statusOf(error: unknown): number | undefined {
  return (error as ServiceError | undefined)?.$metadata?.httpStatusCode
}

/** Header of the answer that the error came with; `name` in lower case. */
export function headerOf(error: unknown, name: string): string | undefined {
  return (error as ServiceError | undefined)?.$response?.headers?.[name]
}

/** The service's own code, e.g. `NoSuchKey`. */
export function nameOf(error: unknown): string {
  return (error as ServiceError | undefined)?.name ?? ''
}

export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && !['NoSuchBucket', 'NoSuchUpload'].includes(nameOf(error))
}

/** The name is taken: If-None-Match did not hold. */
export function isTaken(error: unknown): boolean {
  return statusOf(error) === 412 || nameOf(error) === 'PreconditionFailed'
}

const PASSING_NAMES = new Set([
  'ConditionalRequestConflict',
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  // The library sets its clock by the answer; the next try is right.
  'RequestTimeTooSkewed',
  'ServiceUnavailable',
  'SlowDown',
  'ThrottlingException',
  'TimeoutError',
])
const PASSING_CODES = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ETIMEDOUT',
])

/** An answer that ended before its announced length. */
export class TornAnswer extends Error {}

export function mayPass(error: unknown): boolean {
  if (error instanceof TornAnswer) return true
  const status = statusOf(error)
  if (status !== undefined && status >= 500 && status !== 501) return true
  if (status === 429) return true
  if (PASSING_NAMES.has(nameOf(error))) return true
  return PASSING_CODES.has(codeOf(error) ?? '')
}

const REGION_NAMES = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
])
const CREDENTIAL_NAMES = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidToken',
  'SignatureDoesNotMatch',
])

/** `what` completes "could not …": `write packs/ab/…`. */
export function s3Failure(location: string, what: string, error: unknown): Error {
  if (isWharfError(error)) return error
  const cause = { cause: error }
  const name = nameOf(error)
  const status = statusOf(error)
  const message = messageOf(error)
  const reason = name === '' || name === 'Error' || message.includes(name) ? message : `${name}: ${message}`
  if (name === 'NoSuchBucket') return errors.noBucket({ location }, cause)
  if (CREDENTIAL_NAMES.has(name)) return errors.badCredentials({ location, reason }, cause)
  if (REGION_NAMES.has(name) || status === 301) return errors.wrongRegion({ location, reason }, cause)
  if (status === 403) return errors.denied({ location, what }, cause)
  if (status === 507 || name === 'QuotaExceeded' || name === 'EntityTooLarge' || name === 'XMinioStorageFull')
    return errors.full({ location, what }, cause)
  if (mayPass(error)) return errors.unreachable({ location, reason }, cause)
  return errors.failedIo({ location, what, reason }, cause)
}
