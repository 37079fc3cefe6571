// Completion scripts for bash, zsh and fish, made from the operations. They are static: pressing Tab starts no wharf.
import type { AnyOperation } from '../base/operation.ts'
import type { Room } from '../base/room.ts'
import { GLOBAL_FLAGS, groupSummary, operationsOf } from './commands.ts'
import { commandSpec, type OptionSpec } from './options.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** One place in the command line: `backup` or `backup run`, and what can follow. */
interface Node {
  readonly path: string
  /** Next words with their summaries. */
  readonly words: ReadonlyMap<string, string>
  readonly options: readonly OptionSpec[]
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent']

/** The script for `shell`; `eval "$(wharf completion bash)"` or a file in the shell's completion folder. */
export function completionScript(shell: Shell, rooms: readonly Room[]): string {
  const nodes = nodesOf(operationsOf(rooms), rooms)
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](nodes)
}

function nodesOf(operations: readonly AnyOperation[], rooms: readonly Room[]): readonly Node[] {
  const nodes = new Map<string, { words: Map<string, string>; options: readonly OptionSpec[] }>([
    ['', { words: new Map(), options: [] }],
  ])
  for (const operation of operations) {
    const words = operation.name.split(' ')
    for (const [depth, word] of words.entries()) {
      const path = words.slice(0, depth).join(' ')
      const below = words.slice(0, depth + 1).join(' ')
      const isLast = depth === words.length - 1
      const summary = isLast ? operation.summary : groupSummary(words.slice(0, depth + 1), rooms)
      nodes.get(path)!.words.set(word, summary)
      if (!nodes.has(below)) nodes.set(below, { words: new Map(), options: [] })
    }
    nodes.get(operation.name)!.options = commandSpec(operation).options
  }
  nodes.get('')!.words.set('help', 'help for a command')
  return [...nodes].map(([path, { words, options }]) => ({ path, words, options }))
}

function flagsOf(node: Node): readonly string[] {
  return [...node.options.map((option) => option.flag), ...GLOBAL_FLAGS]
}

/** `<path>/<flag>` → choices, for options that take one of some words. */
function choicesOf(nodes: readonly Node[]): readonly (readonly [string, readonly string[]])[] {
  const own = nodes.flatMap((node) =>
    node.options.flatMap((option) =>
      option.choices ? [[`${node.path}/${option.flag}`, option.choices] as const] : [],
    ),
  )
  return [...own, ['*/--log-level', LOG_LEVELS]]
}

/** Options whose value is free text: files are offered. */
function freeOptions(nodes: readonly Node[]): readonly string[] {
  const own = nodes.flatMap((node) =>
    node.options
      .filter((option) => option.kind !== 'switch' && !option.choices)
      .map((option) => `${node.path}/${option.flag}`),
  )
  return [...own, '*/--home', '*/--config']
}

function pattern(key: string): string {
  return key.startsWith('*') ? `*${quote(key.slice(1))}` : quote(key)
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** The part that bash and zsh share: which path the words before the cursor stand for, in `$path`. */
function pathCases(nodes: readonly Node[]): string {
  return nodes
    .filter((node) => node.path !== '')
    .map((node) => quote(node.path))
    .join(' | ')
}

function bashScript(nodes: readonly Node[]): string {
  const choices = choicesOf(nodes).map(
    ([key, words]) => `    ${pattern(key)}) COMPREPLY=($(compgen -W ${quote(words.join(' '))} -- "$cur")); return ;;`,
  )
  const free = freeOptions(nodes).map((key) => `    ${pattern(key)}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`)
  const words = nodes.map(
    (node) =>
      `    ${quote(node.path)}) words=${quote([...node.words.keys()].join(' '))}; flags=${quote(flagsOf(node).join(' '))} ;;`,
  )
  return `# Completion of wharf for bash: eval "$(wharf completion bash)"
_wharf() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path= next= i words= flags=
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* || ( $i == 1 && \${COMP_WORDS[i]} == help ) ]] && continue
    next=\${path:+$path }\${COMP_WORDS[i]}
    case "$next" in ${pathCases(nodes)}) path=$next ;; esac
  done
  case "$path/$prev" in
${[...choices, ...free].join('\n')}
  esac
  case "$path" in
${words.join('\n')}
  esac
  if [[ $cur == -* ]]; then words=$flags; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _wharf wharf
`
}

function zshScript(nodes: readonly Node[]): string {
  const choices = choicesOf(nodes).map(
    ([key, words]) => `    ${pattern(key)}) compadd -- ${words.map(quote).join(' ')}; return ;;`,
  )
  const free = freeOptions(nodes).map((key) => `    ${pattern(key)}) _files; return ;;`)
  const entry = (word: string, summary: string): string => quote(`${word.replaceAll(':', '\\:')}:${summary}`)
  const words = nodes.map((node) => {
    const list = [...node.words].map(([word, summary]) => entry(word, summary)).join(' ')
    const flags = [
      ...node.options.map((option) => entry(option.flag, option.description)),
      ...GLOBAL_FLAGS.map(quote),
    ].join(' ')
    return `    ${quote(node.path)}) list=(${list}); flags=(${flags}) ;;`
  })
  return `#compdef wharf
# Completion of wharf for zsh: wharf completion zsh > "\${fpath[1]}/_wharf", or eval "$(wharf completion zsh)"
_wharf() {
  local cur=\${words[CURRENT]} prev=\${words[CURRENT-1]} where= next= i
  local -a list flags
  for ((i = 2; i < CURRENT; i++)); do
    [[ \${words[i]} == -* || ( $i == 2 && \${words[i]} == help ) ]] && continue
    next=\${where:+$where }\${words[i]}
    case "$next" in ${pathCases(nodes)}) where=$next ;; esac
  done
  case "$where/$prev" in
${[...choices, ...free].join('\n')}
  esac
  case "$where" in
${words.join('\n')}
  esac
  if [[ $cur == -* ]]; then _describe -o option flags; elif (( $#list )); then _describe command list; else _files; fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _wharf "$@"; else compdef _wharf wharf; fi
`
}

function fishScript(nodes: readonly Node[]): string {
  const lines = nodes.flatMap((node) => {
    const at = `-n ${fishQuote(`__wharf_at ${fishQuote(node.path)}`)}`
    const words = [...node.words].map(
      ([word, summary]) => `complete -c wharf -f ${at} -a ${word} -d ${fishQuote(summary)}`,
    )
    const options = node.options.map((option) => {
      const value =
        option.kind === 'switch' ? '' : option.choices ? ` -x -a ${fishQuote(option.choices.join(' '))}` : ' -r'
      return `complete -c wharf ${at} -l ${option.flag.slice(2)}${value} -d ${fishQuote(option.description)}`
    })
    return [...words, ...options]
  })
  const globals = GLOBAL_FLAGS.map((flag) => {
    const value =
      flag === '--log-level'
        ? ` -x -a ${fishQuote(LOG_LEVELS.join(' '))}`
        : flag === '--home' || flag === '--config'
          ? ' -r'
          : ''
    return `complete -c wharf -l ${flag.slice(2)}${value}`
  })
  const known = nodes
    .filter((node) => node.path !== '')
    .map((node) => fishQuote(node.path))
    .join(' ')
  return `# Completion of wharf for fish: wharf completion fish > ~/.config/fish/completions/wharf.fish
function __wharf_at
  set -l path ''
  set -l typed (commandline -opc)
  for word in $typed[2..-1]
    string match -q -- '-*' $word; and continue
    set -l next (string trim -- "$path $word")
    contains -- $next ${known}; and set path $next
  end
  test "$path" = "$argv[1]"
end
${[...lines, ...globals].join('\n')}
`
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
