// From an entry of wharf.yaml to a declaration (which others may see) and a target (which holds the password).
import { readFileSync } from 'node:fs'
import { join, resolve, dirname } from 'node:path'

import { Secret } from '../base/secret.ts'
import type { Context } from '../base/room.ts'
import { repositoriesOf, type WarehouseEntry } from './config.ts'
import { parseConnectionUrl, showTarget, type ConnectionTarget } from './connection.ts'
import type { WarehouseDeclaration } from './contract.ts'

/** What a managed warehouse keeps under the home. */
export interface ManagedLayout {
  readonly folder: string
  readonly dataDirectory: string
  readonly socketDirectory: string
  readonly logFile: string
  readonly passwordFile: string
  readonly portFile: string
}

export function managedLayout(home: string, name: string): ManagedLayout {
  const folder = join(home, 'warehouses', name)
  return {
    folder,
    dataDirectory: join(folder, 'data'),
    socketDirectory: join(folder, 'run'),
    logFile: join(folder, 'server.log'),
    passwordFile: join(folder, 'password'),
    portFile: join(folder, 'port'),
  }
}

const defaultPort = 5432
const defaultTimeoutMs = 10_000

/** Where to connect now. A managed server tells its port by a file, so this is asked again for every connection. */
export function targetOf(
  name: string,
  entry: WarehouseEntry,
  context: Pick<Context, 'home' | 'configFile'>,
): ConnectionTarget {
  const what = `warehouse "${name}"`
  if (entry.managed) return managedTarget(what, managedLayout(context.home, name), entry)
  const folder = dirname(context.configFile)
  const inFolder = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(folder, file)
  const base = entry.url === undefined ? fromParts(entry) : parseConnectionUrl(entry.url)
  return {
    ...base,
    what,
    password: entry.password ?? base.password,
    passwordFile: inFolder(entry.password_file),
    tls: {
      mode: base.tls.mode,
      rootCertificate: inFolder(base.tls.rootCertificate),
      certificate: inFolder(base.tls.certificate),
      key: inFolder(base.tls.key),
    },
  }
}

function fromParts(entry: WarehouseEntry): Omit<ConnectionTarget, 'what' | 'passwordFile'> {
  const host = entry.host ?? 'localhost'
  const user = entry.user ?? 'postgres'
  return {
    host,
    port: entry.port ?? defaultPort,
    user,
    database: entry.database ?? user,
    password: undefined,
    tls: {
      mode: entry.sslmode ?? (host.startsWith('/') ? 'disable' : 'prefer'),
      rootCertificate: entry.sslrootcert,
      certificate: entry.sslcert,
      key: entry.sslkey,
    },
    connectTimeoutMs: entry.connect_timeout ?? defaultTimeoutMs,
  }
}

function managedTarget(what: string, layout: ManagedLayout, entry: WarehouseEntry): ConnectionTarget {
  const password = readOr(layout.passwordFile)
  return {
    what,
    host: '127.0.0.1',
    port: Number(readOr(layout.portFile) ?? defaultPort),
    user: 'postgres',
    database: entry.database ?? 'postgres',
    password: password === undefined ? undefined : new Secret(password),
    passwordFile: undefined,
    tls: { mode: 'disable' },
    connectTimeoutMs: entry.connect_timeout ?? defaultTimeoutMs,
  }
}

function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

export function declarationOf(
  name: string,
  entry: WarehouseEntry,
  context: Pick<Context, 'home' | 'configFile'>,
): WarehouseDeclaration {
  const url = showTarget(targetOf(name, entry, context))
  const all = repositoriesOf(entry)
  return {
    name,
    url,
    repositories: all.map((one) => one.name),
    optionalRepositories: all.filter((one) => !one.required).map((one) => one.name),
    managed: entry.managed,
  }
}
