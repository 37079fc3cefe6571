// One of the user's programs: no shell, a process group of its own, a time-out; what it complains of is in the error.
import { spawn } from 'node:child_process'

import { withTimeLimit } from '../../base/clock.ts'
import { codeOf, messageOf } from '../../base/errors.ts'
import { backupErrors } from '../errors.ts'

const INHERITED = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR']
/** Of what a program says, the end is kept. */
const KEPT_TEXT = 4000
const SHOWN_TEXT = 500

export interface SnapshotCommand {
  readonly what: 'snapshot' | 'mount' | 'release'
  readonly warehouse: string
  readonly argv: readonly string[]
  readonly variables: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/** Rejects with `backup.snapshot-command`, or with the signal's reason. */
export async function runCommand(
  { what, warehouse, argv, variables, timeoutMs }: SnapshotCommand,
  tools: { inherited: Readonly<Record<string, string | undefined>>; signal: AbortSignal },
): Promise<void> {
  const [program, ...rest] = argv as [string, ...string[]]
  const fail = (how: string, cause?: unknown): Error =>
    backupErrors.snapshotCommand({ warehouse, what, program, how }, { cause })
  tools.signal.throwIfAborted()
  const inherited = INHERITED.map((name) => [name, tools.inherited[name]] as const)
  const child = spawn(program, rest, {
    env: { ...Object.fromEntries(inherited.filter(([, value]) => value !== undefined)), ...variables },
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  let goesOn = false
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-KEPT_TEXT)
  })
  const limit = withTimeLimit(tools.signal, timeoutMs)
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; by: string | null }>()
  const stop = (): void => {
    reject(limit.reason as Error)
    goesOn = !kill(child.pid)
  }
  child.on('error', reject)
  // Not 'close': what the program leaves running may hold its pipes open.
  child.on('exit', (code, by) => setImmediate(() => resolve({ code, by })))
  limit.addEventListener('abort', stop, { once: true })
  let ended
  try {
    ended = await promise
  } catch (error) {
    tools.signal.throwIfAborted()
    if (limit.aborted)
      throw fail(
        `was not done within ${timeoutMs / 1000} s${goesOn ? ' and may not be ended by us' : ''}${quoted(said)}`,
        error,
      )
    const why = { ENOENT: 'does not exist', EACCES: 'may not be run' }[codeOf(error) ?? '']
    throw fail(why ?? `could not be run: ${messageOf(error)}`, error)
  } finally {
    limit.removeEventListener('abort', stop)
    // What it leaves running would keep this process alive through the pipe.
    child.stderr.destroy()
  }
  const { code, by } = ended
  if (code !== 0) throw fail(`ended with ${code === null ? by : `exit code ${code}`}${quoted(said)}`)
}

function quoted(said: string): string {
  const text = said.trim()
  return text === '' ? '' : `: ${text.slice(-SHOWN_TEXT)}`
}

/** False: it may not be ended by us, since it runs as another user (sudo). */
function kill(pid: number | undefined): boolean {
  if (pid === undefined) return true
  try {
    process.kill(-pid, 'SIGKILL')
    return true
  } catch (error) {
    return codeOf(error) === 'ESRCH'
  }
}
