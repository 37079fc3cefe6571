// The tree of commander commands, made from the rooms' operations.
import { Argument, Command, Option } from 'commander'

import type { AnyOperation } from '../base/operation.ts'
import type { Room } from '../base/room.ts'
import { errors } from './errors.ts'
import { commandSpec, type CommandSpec, type OptionSpec } from './options.ts'
import type { GlobalOptions, Streams } from './program.ts'

/** What a parsed command line asks for. */
export interface Chosen {
  readonly operation: AnyOperation
  readonly spec: CommandSpec
  /** Texts and switches as typed, by input key. */
  readonly typed: Readonly<Record<string, unknown>>
}

export interface TreeOptions {
  readonly version: string
  readonly rooms: readonly Room[]
  readonly streams: Streams
  readonly choose: (chosen: Chosen) => void
}

export const GLOBAL_FLAGS = [
  '--json',
  '--home',
  '--config',
  '--yes',
  '--quiet',
  '--log-level',
  '--no-color',
  '--help',
  '--version',
]

/** All operations in order of rooms. Two of one name are a defect. */
export function operationsOf(rooms: readonly Room[]): readonly AnyOperation[] {
  const operations = rooms.flatMap((room) => room.operations ?? [])
  const names = operations.map((operation) => operation.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new TypeError(`two operations are called "${twice}"`)
  return operations
}

/** Builds the whole tree; parse with `parseAsync(argv, { from: 'user' })`. */
export function commandTree(options: TreeOptions): Command {
  const root = settle(new Command('wharf'), options.streams)
    .description('the operations system for data warehouses on PostgreSQL: loads, backs up, recovers, watches')
    .version(options.version, '-V, --version', 'print the version')
    .helpCommand('help [words...]', 'help for a command')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
  addGlobals(root)
  for (const operation of operationsOf(options.rooms)) addOperation(root, operation, options)
  return root
}

function settle(command: Command, streams: Streams): Command {
  return command
    .exitOverride()
    .allowExcessArguments(false)
    .showHelpAfterError(false)
    .configureOutput({
      writeOut: (text) => streams.out.write(text),
      // What commander would print as an error is thrown as well: report.ts prints it.
      writeErr: () => {},
      getOutHelpWidth: () => streams.out.columns ?? 100,
    })
}

function addGlobals(root: Command): void {
  root
    .option('--json', 'print one JSON document on standard output')
    .option('--home <DIR>', 'folder of all local state (default: WHARF_HOME, else by user)')
    .option('--config <FILE>', 'the configuration (default: WHARF_CONFIG, ./wharf.yaml, <home>/wharf.yaml)')
    .option('-y, --yes', 'answer yes to every question')
    .option('-q, --quiet', 'no progress')
    .addOption(
      new Option('--log-level <LEVEL>', 'how much is logged on standard error').choices([
        'debug',
        'info',
        'warn',
        'error',
        'silent',
      ]),
    )
    .option('--no-color', 'no colours (also: NO_COLOR)')
    .helpOption('-h, --help', 'help for a command')
}

/** Values of the global options, wherever on the line they stood. */
export function globalOptions(
  root: Command,
  streams: Streams,
  variables: Readonly<Record<string, string | undefined>>,
): GlobalOptions {
  const values = root.opts<Record<string, unknown>>()
  const hasColor = values['color'] !== false && !variables['NO_COLOR'] && variables['TERM'] !== 'dumb'
  return {
    json: values['json'] === true,
    yes: values['yes'] === true,
    quiet: values['quiet'] === true,
    color: hasColor && streams.err.isTTY === true,
    home: values['home'] as string | undefined,
    config: values['config'] as string | undefined,
    logLevel: values['logLevel'] as GlobalOptions['logLevel'],
  }
}

function addOperation(root: Command, operation: AnyOperation, options: TreeOptions): void {
  const words = operation.name.split(' ')
  const group = words.slice(0, -1).reduce((parent, word) => groupOf(parent, word, options), root)
  const spec = commandSpec(operation)
  const name = words.at(-1)!
  // A name that is also a group (`wal` and `wal status`) becomes a default action of the group.
  const existing = group.commands.find((one) => one.name() === name)
  const command = existing ?? settle(group.command(name).helpCommand(false), options.streams)
  command.summary(operation.summary).description(describe(operation))
  for (const argument of spec.positionals) command.addArgument(makeArgument(argument))
  for (const option of spec.options) addOption(command, option, operation.name)
  command.action((...values: unknown[]) => {
    const typed: Record<string, unknown> = { ...command.opts<Record<string, unknown>>() }
    for (const [index, argument] of spec.positionals.entries()) typed[argument.key] = values[index]
    options.choose({ operation, spec, typed: byKey(spec, typed) })
  })
}

function groupOf(parent: Command, word: string, options: TreeOptions): Command {
  const known = parent.commands.find((one) => one.name() === word)
  if (known) return known
  const path = [...pathOf(parent), word]
  const group = settle(parent.command(word), options.streams).helpCommand(false)
  const summary = groupSummary(path, options.rooms)
  group.summary(summary).description(summary)
  return group.action(() => {
    throw errors.missingCommand({ words: path.join(' '), known: group.commands.map((one) => one.name()) })
  })
}

/** What stands beside a word that more words follow. */
export function groupSummary(path: readonly string[], rooms: readonly Room[]): string {
  const word = path.join(' ')
  const said = rooms.map((room) => room.groups?.[word]).find((one) => one !== undefined)
  if (said === undefined) throw new TypeError(`no room says in its groups what "${word}" is`)
  return said
}

/** Words of a command after `wharf`. */
export function pathOf(command: Command): readonly string[] {
  return command.parent ? [...pathOf(command.parent), command.name()] : []
}

function describe(operation: AnyOperation): string {
  return operation.description === undefined ? operation.summary : `${operation.summary}\n\n${operation.description}`
}

function makeArgument(spec: OptionSpec): Argument {
  const name = spec.repeatable ? `${spec.key}...` : spec.key
  const argument = new Argument(spec.required ? `<${name}>` : `[${name}]`, helpText(spec))
  return spec.choices ? argument.choices([...spec.choices]) : argument
}

function addOption(command: Command, spec: OptionSpec, operation: string): void {
  if (GLOBAL_FLAGS.includes(spec.flag)) throw new TypeError(`operation "${operation}": ${spec.flag} is a global option`)
  const value = spec.kind === 'switch' ? '' : ` <${spec.placeholder}>`
  const option = new Option(`${spec.flag}${value}`, helpText(spec))
  if (spec.choices && spec.kind !== 'switch') option.choices([...spec.choices])
  if (spec.repeatable)
    option.argParser<string[]>((text, before) => [...(before ?? []), checkChoice(spec, text, command)])
  if (spec.required) option.makeOptionMandatory()
  command.addOption(option)
}

/** commander's own check of choices is lost where a parser is set. */
function checkChoice(spec: OptionSpec, text: string, command: Command): string {
  if (!spec.choices || spec.choices.includes(text)) return text
  const message = `${spec.flag}: "${text}" is not one of ${spec.choices.join(', ')}`
  throw errors.badUsage({ message, command: pathOf(command).join(' ') })
}

function helpText(spec: OptionSpec): string {
  const notes = [
    spec.repeatable ? 'repeatable' : '',
    spec.defaultText === undefined ? '' : `default: ${spec.defaultText}`,
  ].filter(Boolean)
  return [spec.description, notes.length > 0 ? `(${notes.join(', ')})` : ''].filter(Boolean).join(' ')
}

/** commander names values after the flag; `--s3-url` may differ from the key, and `--no-x` is x = true until it is given. */
function byKey(spec: CommandSpec, typed: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const argument of spec.positionals) values[argument.key] = typed[argument.key]
  for (const option of spec.options) values[option.key] = typed[new Option(option.flag).attributeName()]
  return values
}
