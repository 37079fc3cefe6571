// Tasks of kind `command`: a program without a shell, in a process group of its own that ends with the task. It runs at least once:
// the token in WHARF_TOKEN grows with every attempt, so that it can fence its own writes.
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

import { codeOf, messageOf } from '../../base/errors.ts'
import type { TaskExecution, TaskKind } from '../../runs/contract.ts'
import { apart } from '../apart.ts'
import { errors } from '../errors.ts'
import { commandInput, type CommandInput } from '../inputs.ts'
import { keepCommand } from './keep.ts'

/** Between asking the process group to stop and killing it. */
const STOP_GRACE_MS = 5000
/** After the end of the program, its output is read for this long at most. */
const PIPE_GRACE_MS = 2000
/** What a command sees of this process' environment; the rest is named in `env`. */
const INHERITED = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR']

/** EACCES also comes from a folder of PATH that may not be searched. */
const startProblems: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such program or folder',
  EACCES: 'permission denied, or no folder of PATH that may be searched has it',
}

export const commandKind: TaskKind<CommandInput> = {
  name: 'command',
  input: commandInput,
  execute: (task, signal) =>
    apart(task, signal, async (within) => {
      const started = task.context.clock.monotonic()
      const done = await runCommand(task, within)
      await keepCommand(task, Math.round(task.context.clock.monotonic() - started), within)
      return done
    }),
}

async function runCommand(task: TaskExecution<CommandInput>, signal: AbortSignal): Promise<{ exitCode: number }> {
  const { argv, folder } = task.input
  const [program, ...given] = argv as [string, ...string[]]
  const child = spawn(program, given, {
    cwd: folder,
    env: environmentOf(task),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = endOf(child, program)
  const stop = (): void => void stopGroup(task, child)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const lines = Promise.all([follow(task, child.stdout), follow(task, child.stderr)])
    lines.catch(() => {})
    const how = await ended
    const last = await lastLines(task, child, lines)
    signal.throwIfAborted()
    if (how.code === 0) return { exitCode: 0 }
    const said = how.signal === null ? `ended with exit code ${how.code}` : `was ended by ${how.signal}`
    throw errors.commandFailed({ command: program, how: said, last: last.findLast((line) => line !== undefined) })
  } finally {
    signal.removeEventListener('abort', stop)
    kill(child, 'SIGKILL')
  }
}

function environmentOf(task: TaskExecution<CommandInput>): NodeJS.ProcessEnv {
  const { variables } = task.context.environment
  const inherited = INHERITED.flatMap((name) =>
    variables[name] === undefined ? [] : [[name, variables[name]] as const],
  )
  return {
    ...Object.fromEntries(inherited),
    ...task.input.env,
    WHARF_TOKEN: task.token.toString(),
    WHARF_RUN: task.run.id,
    WHARF_PIPELINE: task.run.pipeline,
    WHARF_TASK: task.task.name,
    WHARF_ATTEMPT: String(task.attempt),
    WHARF_BUSINESS_DATE: task.run.businessDate ?? '',
  }
}

async function endOf(child: ChildProcess, program: string): Promise<{ code: number | null; signal: string | null }> {
  return await new Promise((resolve, reject) => {
    child.once('error', (error) => {
      const reason = startProblems[codeOf(error) ?? ''] ?? messageOf(error)
      reject(errors.commandNotFound({ command: program, reason }, { cause: error }))
    })
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
}

/** What the program left in its group ends with it; what left the group may hold the pipes open and is not waited for. */
async function lastLines<T>(task: TaskExecution, child: ChildProcess, lines: Promise<T[]>): Promise<T[]> {
  kill(child, 'SIGKILL')
  const done = new AbortController()
  const patience = task.context.clock.sleep(PIPE_GRACE_MS, done.signal).catch(() => {})
  const read = await Promise.race([lines, patience])
  done.abort()
  child.stdout?.destroy()
  child.stderr?.destroy()
  return Array.isArray(read) ? read : []
}

/** Every line goes to the log of the task; returns the last one that is not blank. */
async function follow(task: TaskExecution, stream: Readable | null): Promise<string | undefined> {
  let last: string | undefined
  if (!stream) return last
  for await (const line of createInterface({ input: stream })) {
    if (line.trim() !== '') last = line.trim()
    await task.log(line).catch(() => {})
  }
  return last
}

async function stopGroup(task: TaskExecution, child: ChildProcess): Promise<void> {
  kill(child, 'SIGTERM')
  const deadline = task.context.clock.monotonic() + STOP_GRACE_MS
  while (isAlive(child) && task.context.clock.monotonic() < deadline) await task.context.clock.sleep(50)
  kill(child, 'SIGKILL')
}

/** The whole group: the child leads it. */
function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It is gone.
  }
}

function isAlive(child: ChildProcess): boolean {
  if (child.pid === undefined) return false
  try {
    process.kill(-child.pid, 0)
    return true
  } catch {
    return false
  }
}
