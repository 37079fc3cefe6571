// The statements of a plain dump, one by one, cut where psql would send them. Meta-commands of psql that pg_dump writes are left out.

/** At a statement's start: `\connect`, and from the releases of August 2025 on `\restrict`, `\unrestrict`. */
const META = /\\(?:connect|restrict|unrestrict)[^\n]*\n?/y
const SPACE = /(?:\s+|--[^\n]*(?:\n|$))+/y
const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y
const DOLLAR = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y
const QUOTED = /'(?:[^']|'')*'/y
const ESCAPED = /'(?:[^'\\]|\\[\s\S]|'')*'/y
const NAME = /"(?:[^"]|"")*"/y

/** Rejects text that ends within something, and meta-commands that it does not know: then it would not run what was dumped. */
export function splitStatements(text: string): readonly string[] {
  const found: string[] = []
  const scan = new Scan(text)
  while (scan.toStatement()) found.push(scan.statement())
  return found
}

class Scan {
  private readonly text: string
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  /** False at the end. */
  toStatement(): boolean {
    do this.take(SPACE)
    while (this.take(META) !== undefined)
    if (this.text[this.at] === '\\')
      throw new Error(`unknown meta-command: ${this.text.slice(this.at, this.at + 40).split('\n')[0]}`)
    return this.at < this.text.length
  }

  /** Without its semicolon. */
  statement(): string {
    const start = this.at
    const words: string[] = []
    // Semicolons within parentheses (rules) and within BEGIN ATOMIC … END end nothing.
    let [parentheses, blocks] = [0, 0]
    while (this.at < this.text.length) {
      const character = this.text[this.at]!
      if (character === ';' && parentheses === 0 && blocks === 0) return this.text.slice(start, this.at++)
      if (character === '(') parentheses++
      if (character === ')') parentheses--
      const word = this.next(character)
      if (word === undefined) continue
      if (words.length < 4) words.push(word)
      if (parentheses > 0 || !makesRoutine(words)) continue
      if (word === 'begin' || (word === 'case' && blocks > 0)) blocks++
      if (word === 'end' && blocks > 0) blocks--
    }
    throw new Error(`the dump ends within a statement: ${this.text.slice(start, start + 60)}`)
  }

  /** Passes one thing; a word is told. */
  private next(character: string): string | undefined {
    if (character === "'") return this.must(QUOTED)
    if (character === '"') return this.must(NAME)
    if (character === '$') return this.dollar()
    if (character === '-' && this.take(SPACE) !== undefined) return undefined
    const word = this.take(WORD)
    if (word === undefined) return void this.at++
    // E'…' alone knows backslashes: pg_dump sets standard_conforming_strings.
    if ((word === 'E' || word === 'e') && this.text[this.at] === "'") return this.must(ESCAPED)
    return word.toLowerCase()
  }

  private dollar(): undefined {
    const tag = this.take(DOLLAR)
    // A parameter such as $1.
    if (tag === undefined) {
      this.at++
      return undefined
    }
    const end = this.text.indexOf(tag, this.at)
    if (end === -1) throw new Error(`the dump ends within ${tag}`)
    this.at = end + tag.length
    return undefined
  }

  private must(pattern: RegExp): undefined {
    if (this.take(pattern) === undefined) throw new Error('the dump ends within quotes')
    return undefined
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    const [text] = pattern.exec(this.text) ?? []
    if (text !== undefined) this.at += text.length
    return text
  }
}

function makesRoutine(words: readonly string[]): boolean {
  const [create, ...rest] = words
  const kind = rest[0] === 'or' ? rest[2] : rest[0]
  return create === 'create' && (kind === 'function' || kind === 'procedure')
}
