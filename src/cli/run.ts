// One run of the command line: parse, open the program, run the operation, print, exit code.
import { CommanderError, type Command } from 'commander'
import type { z } from 'zod'

import { systemClock } from '../base/clock.ts'
import type { Environment } from '../base/environment.ts'
import { exitCodes, WharfError } from '../base/errors.ts'
import { sayIssue } from '../base/issues.ts'
import { toJson } from '../base/json.ts'
import { nearest } from '../base/nearest.ts'
import type { OperationContext } from '../base/operation.ts'
import type { Context } from '../base/room.ts'
import { commandTree, globalOptions, pathOf, type Chosen } from './commands.ts'
import { askYesNo } from './confirm.ts'
import { errors } from './errors.ts'
import { listenForInterrupts } from './interrupt.ts'
import { inputOf, type CommandSpec } from './options.ts'
import type { GlobalOptions, Program, Streams } from './program.ts'
import { noProgress, progressView, type ProgressView } from './progress.ts'
import { reportError } from './report.ts'

export interface CommandLine {
  readonly program: Program
  /** Without the name of the program. */
  readonly args: readonly string[]
  readonly streams: Streams
  readonly environment: Environment
}

/** Runs one command line and resolves to the exit code. Everything it opened is closed then. */
export async function runCommandLine(line: CommandLine): Promise<number> {
  const { streams } = line
  const fallback = { json: line.args.includes('--json'), color: false }
  streams.out.on('error', leaveOnBrokenPipe)
  try {
    const parsed = await parse(line)
    if (parsed === undefined) return exitCodes.ok
    try {
      return await runChosen(line, parsed.chosen, parsed.globals)
    } catch (error) {
      return reportError(error, streams, parsed.globals)
    }
  } catch (error) {
    return reportError(error, streams, fallback)
  } finally {
    // What does not fit into the pipe is written behind our back: a reader that leaves then is none of the reader's fault either.
    await new Promise<void>((resolve) => streams.out.write('', () => resolve()))
    streams.out.off('error', leaveOnBrokenPipe)
  }
}

/** Who read our output has left (`wharf … | head`): nothing to say, nobody to say it to. */
function leaveOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok)
  throw error
}

/** The callback of each write tells its failure; the event, which nobody may leave unheard, says the same again. */
function leaveErrorsToWrites(streams: Streams): void {
  streams.out.off('error', leaveOnBrokenPipe)
  streams.out.on('error', () => {})
}

async function parse(line: CommandLine): Promise<{ chosen: Chosen; globals: GlobalOptions } | undefined> {
  const { program, streams } = line
  let chosen: Chosen | undefined
  const root = commandTree({
    version: program.version,
    rooms: program.rooms,
    streams,
    choose: (one) => void (chosen = one),
  })
  if (line.args.length === 0) {
    streams.out.write(root.helpInformation())
    return undefined
  }
  const [first, ...others] = wordsOf(root, line.args)
  if (first === 'help') {
    streams.out.write(findCommand(root, others).helpInformation())
    return undefined
  }
  try {
    await root.parseAsync([...line.args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return undefined
    if (first === undefined && error.code === 'commander.help') throw missingFirst(root)
    throw usageError(error, root, line.args)
  }
  if (chosen === undefined) throw missingFirst(root)
  return { chosen, globals: globalOptions(root, streams, line.environment.variables) }
}

function missingFirst(root: Command): WharfError {
  return errors.missingCommand({ words: 'wharf', known: root.commands.map((one) => one.name()) })
}

function findCommand(root: Command, words: readonly string[]): Command {
  let command = root
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word)
    if (!next) throw unknownCommand(command, word)
    command = next
  }
  return command
}

function unknownCommand(parent: Command, word: string): WharfError {
  const names = parent.commands.map((one) => one.name())
  const path = pathOf(parent)
  const near = nearest(word, names)
  return errors.unknownCommand({
    words: [...path, word].join(' '),
    parent: path.join(' '),
    near: near === undefined ? undefined : [...path, near].join(' '),
  })
}

/** commander's errors in this program's words. */
function usageError(error: CommanderError, root: Command, args: readonly string[]): WharfError {
  const deepest = deepestCommand(root, args)
  if (
    error.code === 'commander.unknownCommand' ||
    (error.code === 'commander.excessArguments' && deepest.command.commands.length > 0)
  ) {
    return unknownCommand(deepest.command, deepest.rest[0] ?? '')
  }
  const [text = '', suggested] = error.message.replace(/^error: /, '').split(/\n\(Did you mean (?:one of )?(.+)\?\)$/)
  const command = pathOf(deepest.command).join(' ')
  return errors.badUsage({ message: text.replace(/\.$/, '').replaceAll("'", '"'), command, near: suggested })
}

function deepestCommand(root: Command, args: readonly string[]): { command: Command; rest: readonly string[] } {
  const words = wordsOf(root, args)
  let command = root
  for (const [index, word] of words.entries()) {
    const next = command.commands.find((one) => one.name() === word)
    if (!next) return { command, rest: words.slice(index) }
    command = next
  }
  return { command, rest: [] }
}

/** Arguments without options, and without the values of global ones: `--home DIR backup list` is about `backup list`. */
function wordsOf(root: Command, args: readonly string[]): string[] {
  const takesValue = (arg: string): boolean =>
    root.options.some((one) => one.required && (one.long === arg || one.short === arg))
  return args.filter((arg, at) => !arg.startsWith('-') && !(at > 0 && takesValue(args[at - 1]!)))
}

async function runChosen(line: CommandLine, chosen: Chosen, globals: GlobalOptions): Promise<number> {
  const { streams, program } = line
  const { operation } = chosen
  const input = readInput(chosen)
  if (operation.writesOutput?.(input) === true) leaveErrorsToWrites(streams)
  using interrupts = listenForInterrupts()
  await using scope = new AsyncDisposableStack()
  const context = await program.open(globals, operation, scope)
  const progress = globals.quiet ? noProgress : progressView(streams.err, systemClock)
  try {
    const output: unknown = await operation.run(
      input,
      operationContext(line, { context, globals, progress, signal: interrupts.signal }),
      interrupts.signal,
    )
    progress.clear()
    streams.out.write(globals.json ? `${toJson(output, 2)}\n` : withNewline(operation.text(output)))
    return exitCodes[operation.exit?.(output) ?? 'ok']
  } catch (error) {
    progress.clear()
    // What an interrupted operation throws is a consequence; the interruption is what happened.
    throw interrupts.signal.aborted && !isOwnCancellation(error) ? interrupts.signal.reason : error
  }
}

function isOwnCancellation(error: unknown): boolean {
  return error instanceof WharfError && error.exit === 'cancelled'
}

function withNewline(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

interface Opened {
  readonly context: Context
  readonly globals: GlobalOptions
  readonly progress: ProgressView
  readonly signal: AbortSignal
}

function operationContext(line: CommandLine, opened: Opened): OperationContext {
  const { context, globals, progress, signal } = opened
  const { user, hostname } = line.environment
  return {
    ...context,
    actor: `${user}@${hostname}`,
    progress: (event) => progress.show(event),
    confirm: async (question, options) => {
      if (globals.yes) return true
      progress.clear()
      return (await askYesNo(question, line.streams, signal)) ?? options?.whereNobodyCanBeAsked ?? false
    },
    say: (text) => {
      progress.clear()
      line.streams.err.write(withNewline(text))
    },
  }
}

function readInput(chosen: Chosen): unknown {
  const { operation, spec } = chosen
  const raw = rawInput(chosen)
  const result = (operation.input as z.ZodType).safeParse(raw)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const key = String(issue?.path[0] ?? '')
  const said = sayIssue(issue!, raw[key])
  const label = labelOf(spec, key)
  const message = said.alone ? `${label === '' ? '' : `${label}: `}${said.message}` : `${label} ${said.message}`
  throw errors.badInput({ message, command: operation.name, hint: said.hint })
}

function rawInput({ operation, spec, typed }: Chosen): Record<string, unknown> {
  try {
    return inputOf(spec, typed)
  } catch (error) {
    if (error instanceof SyntaxError) throw errors.badInput({ message: error.message, command: operation.name })
    throw error
  }
}

function labelOf(spec: CommandSpec, key: string): string {
  if (spec.positionals.some((one) => one.key === key)) return `<${key}>`
  return spec.options.find((one) => one.key === key)?.flag ?? ''
}
