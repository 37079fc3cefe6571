// The section `control` of wharf.yaml.
import { z } from 'zod'

import { duration, secret } from '../base/config-types.ts'
import { isWharfError } from '../base/errors.ts'
import type { ConfigFinding, ConfigSection } from '../base/room.ts'
import { parseConnectionUrl } from '../warehouse/connection.ts'

const schema = z
  .strictObject({
    url: z
      .string()
      .optional()
      .describe('Any PostgreSQL 15 or newer. Left out: wharf runs one of its own under its home.'),
    password: secret().optional().describe('Password for url, as ${env:NAME} or ${file:PATH}.'),
    password_file: z.string().optional().describe('File whose first line is the password for url.'),
    keep_events: duration().prefault('90d').describe('How long events are kept.'),
  })
  .prefault({})

export type ControlSettings = z.output<typeof schema>

export const controlSection: ConfigSection<ControlSettings> = {
  key: 'control',
  schema,
  check: (value, all) => [...urlFindings(value), ...sharedServer(value, all)],
}

function urlFindings(value: ControlSettings): readonly ConfigFinding[] {
  if (value.url === undefined) {
    const lonely = value.password ? 'password' : value.password_file === undefined ? undefined : 'password_file'
    return lonely ? [{ path: ['control', lonely], message: `"${lonely}" without "url" has no use` }] : []
  }
  try {
    parseConnectionUrl(value.url)
    return []
  } catch (error) {
    if (!isWharfError(error)) throw error
    return [
      { path: ['control', 'url'], message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) },
    ]
  }
}

/** The control database must not live in what it looks after. */
function sharedServer(value: ControlSettings, all: Readonly<Record<string, unknown>>): readonly ConfigFinding[] {
  const own = endpoint(value.url)
  if (own === undefined) return []
  const warehouses = (all['warehouses'] ?? {}) as Readonly<Record<string, { url?: string } | undefined>>
  const shared = Object.entries(warehouses).find(([, one]) => endpoint(one?.url) === own)
  if (!shared) return []
  const hint = 'the control database must outlive the warehouses: put it on another server, or leave control.url out'
  return [{ path: ['control', 'url'], message: `control.url names the server of the warehouse "${shared[0]}"`, hint }]
}

function endpoint(url: string | undefined): string | undefined {
  if (url === undefined) return undefined
  try {
    const { host, port } = parseConnectionUrl(url)
    return `${host === 'localhost' ? '127.0.0.1' : host}:${port}`
  } catch {
    return undefined
  }
}
