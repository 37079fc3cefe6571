// The section `warehouses` of wharf.yaml.
import { z } from 'zod'

import { declaredName, duration, secret, whole } from '../base/config-types.ts'
import { isWharfError } from '../base/errors.ts'
import { suggestion } from '../base/nearest.ts'
import type { ConfigFinding, ConfigSection } from '../base/room.ts'
import { parseConnectionUrl, tlsModes } from './connection.ts'

const protectedBy = z.union([
  z.string(),
  z.strictObject({
    name: z.string(),
    required: z
      .boolean()
      .prefault(true)
      .describe('No: it may lag or fail; WAL counts as durable without it, and it is caught up from the others.'),
  }),
])

const entry = z.strictObject({
  url: z.string().optional().describe('postgresql://user@host:5432/database?sslmode=verify-full, or the parts below.'),
  host: z.string().min(1).optional().describe('Name, address, or folder of a Unix socket.'),
  port: whole(1, 65_535).optional().describe('Default 5432.'),
  user: z.string().min(1).optional().describe('Role that wharf uses; wharf warehouse grants prints what it needs.'),
  database: z.string().min(1).optional().describe('Database to connect to; default: named like the user.'),
  password: secret().optional().describe('As ${env:NAME} or ${file:PATH}.'),
  password_file: z
    .string()
    .min(1)
    .optional()
    .describe('File whose first line is the password; read at every connection.'),
  sslmode: z.enum(tlsModes).optional().describe('As in libpq; default prefer.'),
  sslrootcert: z.string().optional().describe('PEM file of the authority that signed the certificate of the server.'),
  sslcert: z.string().optional().describe('PEM file of our certificate.'),
  sslkey: z.string().optional().describe('PEM file of the key of our certificate.'),
  connect_timeout: duration().optional().describe('Default 10s.'),
  standby: z
    .string()
    .optional()
    .describe(
      'URL of a standby that backups can be read from (backup.<name>.source: standby); with the password of the entry unless it has one.',
    ),
  repositories: z
    .array(protectedBy)
    .prefault([])
    .describe(
      'Repositories that protect it, by name; each holds everything. { name: offsite, required: false } may lag.',
    ),
  managed: z.boolean().prefault(false).describe('True: wharf runs this server itself, under its home.'),
  settings: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .optional()
    .describe('Settings of PostgreSQL for a managed server.'),
})

const schema = z.record(declaredName(), entry).prefault({})

export type WarehouseEntry = z.output<typeof entry>
export type WarehousesSettings = z.output<typeof schema>

export const warehousesSection: ConfigSection<WarehousesSettings> = {
  key: 'warehouses',
  schema,
  check: (value, all) => Object.entries(value).flatMap(([name, one]) => check(name, one, all)),
}

/** As written, with `required` filled in. */
export function repositoriesOf({ repositories }: Pick<WarehouseEntry, 'repositories'>): readonly {
  readonly name: string
  readonly required: boolean
}[] {
  return repositories.map((one) => (typeof one === 'string' ? { name: one, required: true } : one))
}

const parts = [
  'host',
  'port',
  'user',
  'database',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'connect_timeout',
] as const
const forOthers = [
  'url',
  'host',
  'port',
  'user',
  'password',
  'password_file',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
] as const

function check(name: string, one: WarehouseEntry, all: Readonly<Record<string, unknown>>): readonly ConfigFinding[] {
  const at = (key: string, message: string, hint?: string): ConfigFinding => ({
    path: ['warehouses', name, key],
    message,
    ...(hint === undefined ? {} : { hint }),
  })
  const findings: ConfigFinding[] = []
  if (one.managed) {
    const odd = forOthers.find((key) => one[key] !== undefined)
    if (odd)
      findings.push(
        at(
          odd,
          `"${odd}" has no use in a warehouse that wharf runs itself`,
          'leave it out, or leave out managed: true',
        ),
      )
  } else if (one.url === undefined && (one.host === undefined || one.user === undefined)) {
    findings.push(
      at('url', `warehouse "${name}" says neither url nor host and user`, 'url: postgresql://user@host:5432/database'),
    )
  }
  if (one.url !== undefined) {
    const twice = parts.find((key) => one[key] !== undefined)
    if (twice) findings.push(at(twice, `"${twice}" is given beside "url"`, 'put it into the url, or use parts only'))
    findings.push(...urlFinding(one.url, at))
  }
  if (one.password && one.password_file !== undefined)
    findings.push(at('password_file', 'both password and password_file are given'))
  if (!one.managed && one.settings) findings.push(at('settings', '"settings" is for managed warehouses only'))
  if (one.standby !== undefined) findings.push(...urlFinding(one.standby, (_, ...said) => at('standby', ...said)))
  const known = Object.keys(all['repositories'] ?? {})
  const protecting = repositoriesOf(one)
  if (protecting.length > 0 && protecting.every((each) => !each.required)) {
    findings.push(
      at(
        'repositories',
        `no repository of warehouse "${name}" is required`,
        'leave required: false out of at least one',
      ),
    )
  }
  for (const [index, { name: repository }] of protecting.entries()) {
    if (protecting.findIndex((each) => each.name === repository) < index) {
      findings.push({
        path: ['warehouses', name, 'repositories', index],
        message: `repository "${repository}" is named twice`,
      })
    }
    if (all['repositories'] === undefined || known.includes(repository)) continue
    const hint = suggestion(repository, known) ?? 'declare it under repositories'
    findings.push({
      path: ['warehouses', name, 'repositories', index],
      message: `no repository is called "${repository}"`,
      hint,
    })
  }
  return findings
}

function urlFinding(
  url: string,
  at: (key: string, message: string, hint?: string) => ConfigFinding,
): readonly ConfigFinding[] {
  try {
    parseConnectionUrl(url)
    return []
  } catch (error) {
    if (!isWharfError(error)) throw error
    return [at('url', error.message, error.hint)]
  }
}
