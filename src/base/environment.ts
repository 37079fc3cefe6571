// The one door through which the process environment enters.
import { homedir, hostname, userInfo } from 'node:os'
import { join } from 'node:path'

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  readonly isRoot: boolean
  readonly hostname: string
  /** The user that runs this process. */
  readonly user: string
  /** Where state lives unless `--home` or `WHARF_HOME` say otherwise. */
  readonly defaultHome: string
}

/** Reads this process' environment. */
export function processEnvironment(): Environment {
  const isRoot = process.getuid?.() === 0
  return {
    variables: process.env,
    platform: process.platform,
    isRoot,
    hostname: hostname(),
    user: userInfo().username,
    defaultHome: process.env['WHARF_HOME'] ?? (isRoot ? '/var/lib/wharf' : join(homedir(), '.local', 'share', 'wharf')),
  }
}
