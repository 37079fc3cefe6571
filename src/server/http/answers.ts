// How results and errors become HTTP: JSON bodies and status codes.
import type { FastifyReply } from 'fastify'

import { WharfError, type ExitName } from '../../base/errors.ts'
import { toJson } from '../../base/json.ts'
import type { ApiError } from '../contract.ts'

/** HTTP status of each exit name; the same table as in doc, OpenAPI and tests. */
export const statusOfExit: Readonly<Record<ExitName, number>> = {
  ok: 200,
  findings: 200,
  usage: 400,
  denied: 403,
  notFound: 404,
  busy: 409,
  failed: 500,
  environment: 500,
  configuration: 500,
  damaged: 500,
  unreachable: 503,
  cancelled: 499,
}

// Codes whose status says more than that of their exit name.
const statusOfCode: Readonly<Record<string, number>> = {
  'server.not-logged-in': 401,
  'server.wrong-password': 401,
  'server.too-many-tries': 429,
  'server.confirmation-missing': 428,
}

export function statusOf(error: WharfError): number {
  return statusOfCode[error.code] ?? statusOfExit[error.exit]
}

export function errorBody(error: WharfError): ApiError {
  const at = error.place?.object ?? error.place?.file
  return {
    error: {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(at === undefined ? {} : { at }),
    },
  }
}

export function sendJson(reply: FastifyReply, value: unknown, status = 200): FastifyReply {
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(toJson(value))
}

export function sendError(reply: FastifyReply, error: WharfError): FastifyReply {
  return sendJson(reply, errorBody(error), statusOf(error))
}

/** What a client hears of a defect: nothing of its inside; the log has the stack. */
export const defect = new WharfError({
  code: 'server.defect',
  message: 'the request failed inside wharf',
  exit: 'failed',
  hint: 'the log of "wharf up" has the details: please report them',
})
