// The section `server` of wharf.yaml.
import { z } from 'zod'

import { duration, secret } from '../base/config-types.ts'
import type { ConfigSection } from '../base/room.ts'

/** Where to listen: host as written, port 0 for any free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const LISTEN_DEFAULT = '127.0.0.1:7780'

/** `127.0.0.1:7780`, `[::1]:7780`, `:7780` (all networks) → parts; undefined where it is none of these. */
export function parseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]*)):(\d{1,5})$/.exec(text.trim())
  const port = Number(match?.[3])
  if (!match || port > 65_535) return undefined
  const host = match[1] ?? match[2] ?? ''
  return { host: host === '' || host === '*' ? '0.0.0.0' : host, port }
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host === '::1' ||
    /^127\.\d+\.\d+\.\d+$/.test(host) ||
    /^::ffff:127\.\d+\.\d+\.\d+$/.test(host)
  )
}

const listen = z.string().transform((text, context) => {
  const address = parseListen(text)
  if (address) return address
  context.addIssue({
    code: 'custom',
    message: `not an address to listen on: "${text}" (expected host:port, for example ${LISTEN_DEFAULT})`,
  })
  return z.NEVER
})

const schema = z
  .strictObject({
    listen: listen.prefault(LISTEN_DEFAULT).describe('Address and port of console and API. Loopback only unless set.'),
    public_url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        'The address that people type, where a proxy stands before wharf. With https, cookies are marked Secure.',
      ),
    tls: z
      .strictObject({ certificate: z.string(), key: z.string() })
      .optional()
      .describe('PEM files: serve HTTPS directly.'),
    metrics_token: secret()
      .optional()
      .describe(
        'Bearer token for /metrics. Without one /metrics answers this machine only. Use ${file:…} or ${env:…}.',
      ),
    session: duration().prefault('12h').describe('How long a log-in lasts.'),
  })
  .prefault({})

export type ServerSettings = z.output<typeof schema>

export const serverSection: ConfigSection<ServerSettings> = { key: 'server', schema }
