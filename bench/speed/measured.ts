// What one command costs: wall time, CPU of it and of all its children, and what it leaves on disk.
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { ServerAccount } from '../../src/warehouse/server/account.ts'

export interface Cost {
  readonly seconds: number
  /** User and system time, children included. */
  readonly cpuSeconds: number
  /** What it printed. */
  readonly said?: string
}

export interface MeasureOptions {
  readonly env?: NodeJS.ProcessEnv
  /** Run as this user. */
  readonly account?: ServerAccount | undefined
}

/** Runs a command to its end; throws with all that it said unless it ended well. bash counts the CPU of everything that was waited for. */
export async function measured(command: readonly string[], options: MeasureOptions = {}): Promise<Cost> {
  const as = options.account
    ? ['setpriv', `--reuid=${options.account.uid}`, `--regid=${options.account.gid}`, '--clear-groups']
    : []
  const script = `TIMEFORMAT='cost %R %U %S'; time "$@"`
  const child = spawn('bash', ['-c', script, 'bash', ...as, ...command], {
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => said.push(text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const [, wall, user, system] = /cost ([\d.]+) ([\d.]+) ([\d.]+)\s*$/.exec(said.join('')) ?? []
  if (code !== 0 || wall === undefined) throw new Error(`${command.join(' ')} ended with ${code}: ${said.join('')}`)
  return { seconds: Number(wall), cpuSeconds: Number(user) + Number(system), said: said.join('') }
}

/** Data out of the page cache. False where we may not (not root). */
export function dropCaches(): boolean {
  spawnSync('sync')
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3')
    return true
  } catch {
    return false
  }
}

/** Bytes of all files below a folder. */
export function folderBytes(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) bytes += folderBytes(path)
    else if (entry.isFile()) bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
