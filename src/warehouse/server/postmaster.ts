// What postmaster.pid says about a data directory, held against the processes that really exist.
import { execFile } from 'node:child_process'
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'

import { codeOf } from '../../base/errors.ts'

/** The lines of postmaster.pid. The later ones are missing while a server starts. */
export interface PostmasterFile {
  readonly pid: number
  readonly port: number | undefined
  readonly socketDirectory: string | undefined
  /** `starting`, `stopping`, `ready`, `standby` (running, but hot_standby is off), or empty. */
  readonly status: string
}

export type PostmasterState =
  | { readonly state: 'absent' }
  /** The file is there, the server is not. */
  | {
      readonly state: 'stale'
      readonly pid: number
      /** The number now belongs to a process that is no server of this directory. */ readonly reused: boolean
    }
  /** Dead, but not yet reaped by its parent: PostgreSQL takes it for alive. */
  | { readonly state: 'zombie'; readonly pid: number }
  | { readonly state: 'running'; readonly file: PostmasterFile }

export async function readPostmasterFile(dataDirectory: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const lines = text.split('\n')
  // A single-user backend writes its pid negated.
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10))
  if (!Number.isSafeInteger(pid) || pid === 0) return undefined
  const port = Number.parseInt(lines[3] ?? '', 10)
  return {
    pid,
    port: Number.isSafeInteger(port) && port > 0 ? port : undefined,
    socketDirectory: lines[4]?.trim() || undefined,
    status: lines[7]?.trim() ?? '',
  }
}

/** Whether a server runs on the data directory. Never trusts a process id alone: it may belong to somebody else by now. */
export async function inspectPostmaster(dataDirectory: string): Promise<PostmasterState> {
  const file = await readPostmasterFile(dataDirectory)
  if (!file) return { state: 'absent' }
  const life = await lifeOf(file.pid)
  if (life === 'zombie') return { state: 'zombie', pid: file.pid }
  if (life === 'dead') return { state: 'stale', pid: file.pid, reused: false }
  const working = await workingFolder(file.pid)
  // A postmaster works in its data directory; while it starts it may not be there yet.
  if (working !== undefined && working !== (await realpath(dataDirectory)) && !(await isPostgres(file.pid))) {
    return { state: 'stale', pid: file.pid, reused: true }
  }
  return { state: 'running', file }
}

/** Processes of any server that work in the data directory: backends outlive a killed postmaster for a moment. Linux only, else []. */
export async function processesIn(dataDirectory: string): Promise<readonly number[]> {
  if (platform() !== 'linux') return []
  const wanted = await realpath(dataDirectory).catch(() => undefined)
  if (wanted === undefined) return []
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    if ((await workingFolder(Number(name))) === wanted && (await isPostgres(Number(name)))) found.push(Number(name))
  }
  return found
}

/** Working folders of all processes of servers, which are their data directories. */
export async function serverFolders(): Promise<readonly string[]> {
  if (platform() !== 'linux') return []
  const found = new Set<string>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || !(await isPostgres(Number(name)))) continue
    const folder = await workingFolder(Number(name))
    if (folder !== undefined) found.add(folder)
  }
  return [...found]
}

/** Says so where the shared memory that postmaster.pid names is still attached, as PostgreSQL itself looks before it starts. Linux only. */
export async function sharedMemoryOf(dataDirectory: string): Promise<string | undefined> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')
  // Line 7: key and id of the segment.
  const id = Number.parseInt(text.split('\n')[6]?.trim().split(/\s+/)[1] ?? '', 10)
  if (!Number.isSafeInteger(id)) return undefined
  const table = await readFile('/proc/sysvipc/shm', 'utf8').catch(() => '')
  for (const line of table.split('\n').slice(1)) {
    const [, shmid, , , , , attached] = line.trim().split(/\s+/).map(Number)
    if (shmid === id && attached !== undefined && attached > 0)
      return `${attached} processes are attached to the shared memory of the server that ran on it`
  }
  return undefined
}

/** `dead` where no such process exists. */
export async function lifeOf(pid: number): Promise<'alive' | 'zombie' | 'dead'> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return 'dead'
  }
  const letter = await processLetter(pid)
  if (letter === undefined) return 'dead'
  return letter === 'Z' || letter === 'X' ? 'zombie' : 'alive'
}

async function processLetter(pid: number): Promise<string | undefined> {
  if (platform() !== 'linux')
    return await new Promise((resolve) => {
      execFile('ps', ['-o', 'stat=', '-p', String(pid)], (_error, out) => resolve(out.trim().charAt(0) || undefined))
    })
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The command in parentheses may itself hold spaces and parentheses: the state follows the last one.
  return stat?.slice(stat.lastIndexOf(')') + 2).charAt(0)
}

async function workingFolder(pid: number): Promise<string | undefined> {
  if (platform() !== 'linux') return undefined
  return await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
}

async function isPostgres(pid: number): Promise<boolean> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  return name.startsWith('postgres') || name.startsWith('postmaster')
}
