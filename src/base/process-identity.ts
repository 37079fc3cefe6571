// Who a process is: its number alone comes back after a while, and after a restart of the machine at once.
import { readFileSync } from 'node:fs'

import { codeOf } from './errors.ts'

/** `pid starttime`; on systems without /proc the start is `-`, and any process of that number is taken for it. */
export function identityOf(pid: number): string {
  return `${pid} ${startOf(pid) ?? '-'}`
}

export function isAlive(identity: string): boolean {
  const pid = Number.parseInt(identity, 10)
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  return identityOf(pid) === identity
}

/** Ticks since the machine started; undefined also for a process that has ended and is only waited for. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command in parentheses may hold anything: the fields follow the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
