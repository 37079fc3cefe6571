// Where a PostgreSQL server is and how to get in: parsed from a URL, never holding a secret in the clear.
import { readFile, stat } from 'node:fs/promises'

import { codeOf, messageOf } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { warehouseErrors } from './errors.ts'

export const tlsModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
/** As libpq's sslmode; `allow` is treated as `prefer`. */
export type TlsMode = (typeof tlsModes)[number]

export interface TlsSettings {
  readonly mode: TlsMode
  /** PEM files. */
  readonly rootCertificate?: string | undefined
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

/** Everything needed to connect. */
export interface ConnectionTarget {
  /** For messages: `warehouse "retail"`, `the control database`. */
  readonly what: string
  /** A folder (starts with `/`) means a Unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly password: Secret | undefined
  readonly passwordFile: string | undefined
  readonly tls: TlsSettings
  readonly connectTimeoutMs: number
}

export type ConnectionParts = Omit<ConnectionTarget, 'what' | 'passwordFile'>

/** Parameters of a URL that we understand; others are refused, so that a misspelt sslmode never weakens a connection. */
const urlParameters = [
  'host',
  'port',
  'user',
  'dbname',
  'password',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'connect_timeout',
]

/** `postgresql://user:password@host:5432/database?sslmode=…`. Rejects with `warehouse.bad-url`, which never shows the password. */
export function parseConnectionUrl(text: string): ConnectionParts {
  const url = parseUrl(text)
  const unknown = [...url.searchParams.keys()].find((key) => !urlParameters.includes(key))
  if (unknown !== undefined) {
    throw warehouseErrors.badUrl({ reason: `unknown parameter "${unknown}" (known: ${urlParameters.join(', ')})` })
  }
  const parameter = (name: string): string | undefined => url.searchParams.get(name) ?? undefined
  const user = parameter('user') ?? decode(url.username)
  if (user === '') throw warehouseErrors.badUrl({ reason: 'it names no user' })
  const password = parameter('password') ?? decode(url.password)
  const host = parameter('host') ?? decode(url.hostname.replaceAll(/^\[|\]$/g, ''))
  const port = Number(parameter('port') ?? (url.port || 5432))
  if (!Number.isSafeInteger(port) || port < 1 || port > 65_535)
    throw warehouseErrors.badUrl({ reason: 'the port is not a number from 1 to 65535' })
  if (host.includes(',')) throw warehouseErrors.badUrl({ reason: 'it names several hosts' })
  return {
    host: host === '' ? 'localhost' : host,
    port,
    user,
    database: parameter('dbname') ?? (decode(url.pathname.slice(1)) || user),
    password: password === '' ? undefined : new Secret(password),
    tls: {
      mode: tlsMode(parameter('sslmode') ?? (host.startsWith('/') ? 'disable' : 'prefer')),
      rootCertificate: parameter('sslrootcert'),
      certificate: parameter('sslcert'),
      key: parameter('sslkey'),
    },
    connectTimeoutMs: Number(parameter('connect_timeout') ?? 10) * 1000,
  }
}

function parseUrl(text: string): URL {
  let url: URL
  try {
    // libpq knows an authority with a user and no host; the URL standard does not.
    url = new URL(text.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=[/?#]|$)/, '$1localhost'))
  } catch {
    throw warehouseErrors.badUrl({
      reason: 'it cannot be parsed (is a special character in the password not percent-encoded?)',
    })
  }
  if (url.protocol !== 'postgresql:' && url.protocol !== 'postgres:') {
    throw warehouseErrors.badUrl({ reason: `it starts with "${url.protocol}//" instead of "postgresql://"` })
  }
  return url
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw warehouseErrors.badUrl({ reason: 'a % in it is not followed by two hexadecimal digits' })
  }
}

function tlsMode(text: string): TlsMode {
  if (text === 'allow') return 'prefer'
  const mode = tlsModes.find((one) => one === text)
  if (!mode) throw warehouseErrors.badUrl({ reason: `sslmode is "${text}" (known: ${tlsModes.join(', ')})` })
  return mode
}

/** The URL to show: without password. */
export function showTarget(parts: Pick<ConnectionParts, 'host' | 'port' | 'user' | 'database' | 'tls'>): string {
  const user = encodeURIComponent(parts.user)
  const database = encodeURIComponent(parts.database)
  const mode = parts.tls.mode === 'prefer' || parts.tls.mode === 'disable' ? [] : [`sslmode=${parts.tls.mode}`]
  if (parts.host.startsWith('/')) {
    const query = [`host=${encodeURIComponent(parts.host)}`, `port=${parts.port}`, ...mode].join('&')
    return `postgresql://${user}@/${database}?${query}`
  }
  const host = parts.host.includes(':') ? `[${parts.host}]` : parts.host
  return `postgresql://${user}@${host}:${parts.port}/${database}${mode.length > 0 ? `?${mode.join('&')}` : ''}`
}

/** `host:port`, for messages. */
export function whereOf(target: Pick<ConnectionParts, 'host' | 'port'>): string {
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`
}

/** The password to use now; read anew for every connection, so that a changed file is noticed. */
export async function readPassword(target: ConnectionTarget): Promise<string | undefined> {
  if (target.password) return target.password.reveal()
  if (target.passwordFile === undefined) return undefined
  const refuse = (reason: string): Error =>
    warehouseErrors.badPasswordFile({ what: target.what, file: target.passwordFile!, reason })
  try {
    const [text, about] = await Promise.all([readFile(target.passwordFile, 'utf8'), stat(target.passwordFile)])
    if ((about.mode & 0o007) !== 0) throw refuse('every user of this machine can read or change it')
    const password = text.replace(/\r?\n[\s\S]*$/, '')
    if (password === '') throw refuse('its first line is empty')
    return password
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw refuse('it does not exist')
    if (codeOf(error) === 'EACCES') throw refuse('permission denied')
    if (codeOf(error) === 'EISDIR') throw refuse('it is a folder')
    throw error instanceof Error ? error : refuse(messageOf(error))
  }
}
