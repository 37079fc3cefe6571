// From what the network, TLS and PostgreSQL say to an error that an operator can act on. A table, walked by code.
import { codeOf, isWharfError, messageOf, type WharfError } from '../../base/errors.ts'
import { whereOf, type ConnectionTarget } from '../connection.ts'
import { warehouseErrors } from '../errors.ts'

type Explain = (target: ConnectionTarget, error: unknown) => WharfError

const at = (target: ConnectionTarget): { what: string; where: string } => ({
  what: target.what,
  where: whereOf(target),
})

const unreachable =
  (reason: string): Explain =>
  (target, cause) =>
    warehouseErrors.unreachable({ ...at(target), reason }, { cause })
const unknownHost: Explain = (target, cause) =>
  warehouseErrors.unknownHost({ ...at(target), host: target.host }, { cause })
const notReady: Explain = (target, cause) =>
  warehouseErrors.notReady({ ...at(target), reason: messageOf(cause) }, { cause })
const notAdmitted: Explain = (target, cause) =>
  warehouseErrors.notAdmitted({ ...at(target), user: target.user, reason: messageOf(cause) }, { cause })
const lost: Explain = (target, cause) =>
  warehouseErrors.connectionLost({ ...at(target), reason: messageOf(cause) }, { cause })
const denied: Explain = (target, cause) =>
  warehouseErrors.denied({ ...at(target), user: target.user, reason: messageOf(cause) }, { cause })

/** By system error code or SQLSTATE. */
const whileConnecting: Readonly<Record<string, Explain>> = {
  ECONNREFUSED: unreachable('connection refused'),
  EHOSTUNREACH: unreachable('no route to the host'),
  ENETUNREACH: unreachable('no route to the network'),
  ETIMEDOUT: unreachable('no answer in time'),
  ECONNRESET: unreachable('the connection was reset'),
  EPIPE: unreachable('the connection was closed'),
  ENOENT: unreachable('there is no such socket'),
  EACCES: unreachable('permission denied'),
  ENOTFOUND: unknownHost,
  EAI_AGAIN: unknownHost,
  '28P01': (target, cause) => warehouseErrors.wrongPassword({ ...at(target), user: target.user }, { cause }),
  '28000': notAdmitted,
  '3D000': (target, cause) => warehouseErrors.noDatabase({ ...at(target), database: target.database }, { cause }),
  '42501': notAdmitted,
  '53300': (target, cause) => warehouseErrors.tooManyConnections(at(target), { cause }),
  '57P01': notReady,
  '57P02': notReady,
  '57P03': notReady,
}

/** By text, where a driver gives no code. */
const whileConnectingByText: readonly (readonly [RegExp, Explain])[] = [
  [/timeout expired|connection timeout/i, unreachable('no answer in time')],
  [/does not support SSL connections/, (target, cause) => warehouseErrors.tlsNotOffered(at(target), { cause })],
  [
    /client password must be a (non-empty )?string|password must be a string/i,
    (target, cause) => warehouseErrors.noPassword({ ...at(target), user: target.user }, { cause }),
  ],
  [
    /received invalid response|establishing an SSL connection/,
    (target, cause) => warehouseErrors.notPostgres(at(target), { cause }),
  ],
  [/Connection terminated/, unreachable('it closed the connection')],
]

const inSession: Readonly<Record<string, Explain>> = {
  ECONNRESET: lost,
  EPIPE: lost,
  ETIMEDOUT: lost,
  '57P01': lost,
  '57P02': lost,
  '57P03': notReady,
  '25P03': lost,
  '42501': denied,
}

/** What went wrong while connecting. Errors that are already ours pass through. */
export function explainConnect(error: unknown, target: ConnectionTarget): Error {
  if (isWharfError(error)) return error
  const code = codeOf(error) ?? ''
  const known = whileConnecting[code] ?? whileConnectingByText.find(([text]) => text.test(messageOf(error)))?.[1]
  if (known) return known(target, error)
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH)/.test(code)) {
    return warehouseErrors.tlsRefused({ ...at(target), reason: messageOf(error) }, { cause: error })
  }
  return error instanceof Error ? error : new Error(messageOf(error))
}

/** What went wrong in a session. Errors of SQL itself pass through with their SQLSTATE in `code`. */
export function explainQuery(error: unknown, target: ConnectionTarget): Error {
  if (isWharfError(error)) return error
  const known = inSession[codeOf(error) ?? '']
  if (known) return known(target, error)
  if (/Connection terminated|not queryable|connection error/i.test(messageOf(error))) return lost(target, error)
  return error instanceof Error ? error : new Error(messageOf(error))
}
