// Just enough of PostgreSQL's lexical rules to see the first word of each statement: quotes, dollar quotes, comments.

export interface StatementStart {
  /** Upper case. */
  readonly word: string
  readonly offset: number
}

const TOKEN = /--[^\n]*|\/\*|'|[eE]'|"|\$([A-Za-z_][A-Za-z0-9_]*)?\$|;|[A-Za-z_][A-Za-z0-9_$]*|\s+|[^]/gy

/** The first word of each statement. `begin atomic … end` bodies of SQL functions are seen as one statement's inside. */
export function statementStarts(sql: string): readonly StatementStart[] {
  const starts: StatementStart[] = []
  let isStart = true
  let atomic = 0
  for (let at = 0; at < sql.length;) {
    TOKEN.lastIndex = at
    const [token, tag] = TOKEN.exec(sql)!
    const end = endOf(sql, at, { token, tag })
    const word = /^[A-Za-z_]/.test(token) && !token.endsWith("'") ? token.toUpperCase() : undefined
    if (token === ';' && atomic === 0) isStart = true
    else if (word !== undefined && isStart) {
      starts.push({ word, offset: at })
      isStart = false
    } else if (word !== undefined) {
      if (word === 'ATOMIC' || (atomic > 0 && word === 'CASE')) atomic++
      else if (atomic > 0 && word === 'END') atomic--
    } else if (!/^(\s|--|\/\*|;)/.test(token)) isStart = false
    at = end
  }
  return starts
}

function endOf(sql: string, at: number, found: { token: string; tag: string | undefined }): number {
  const { token } = found
  const end = at + token.length
  if (token === '/*') return commentEnd(sql, end)
  if (token === '"' || token === "'") return quoteEnd(sql, end, { quote: token, backslash: false })
  if (token.endsWith("'")) return quoteEnd(sql, end, { quote: "'", backslash: true })
  if (token.length > 1 && token.startsWith('$') && token.endsWith('$')) {
    const close = sql.indexOf(token, end)
    return close < 0 ? sql.length : close + token.length
  }
  return end
}

/** Comments nest. */
function commentEnd(sql: string, from: number): number {
  const mark = /\/\*|\*\//g
  mark.lastIndex = from
  for (let depth = 1; depth > 0;) {
    const found = mark.exec(sql)
    if (!found) return sql.length
    depth += found[0] === '/*' ? 1 : -1
  }
  return mark.lastIndex
}

function quoteEnd(sql: string, from: number, options: { quote: string; backslash: boolean }): number {
  for (let at = from; at < sql.length; at++) {
    if (options.backslash && sql[at] === '\\') at++
    else if (sql[at] === options.quote) return at + 1
  }
  return sql.length
}

const CONTROL = new Set(['BEGIN', 'COMMIT', 'ROLLBACK', 'ABORT', 'END', 'START', 'PREPARE'])

/** The first statement that would end or begin a transaction. `PREPARE x AS` is fine, `PREPARE TRANSACTION` is not. */
export function transactionControl(sql: string): StatementStart | undefined {
  return statementStarts(sql).find((start) => {
    if (!CONTROL.has(start.word)) return false
    const rest = sql.slice(start.offset, start.offset + 200)
    if (start.word === 'PREPARE') return /^prepare\s+transaction\b/i.test(rest)
    if (start.word === 'ROLLBACK') return !/^rollback\s+(work\s+|transaction\s+)?to\b/i.test(rest)
    return true
  })
}

/** Line and character (both from 1) of an offset in UTF-16 units. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: before.length - lineStart + 1 }
}

const NAME = String.raw`(?:"[^",]+"|[A-Za-z_][A-Za-z0-9_$]*)`
const NAMES = String.raw`(${NAME}(?:\.${NAME})?(?:\s*\*)?(?:\s*,\s*${NAME}(?:\.${NAME})?(?:\s*\*)?)*)`
const TRUNCATE = new RegExp(
  String.raw`^truncate\s+(?:table\s+)?${NAMES}\s*(?:(?:restart|continue)\s+identity\s*)?(?:cascade|restrict)?\s*(?:;|$)`,
  'i',
)
const DROP = new RegExp(String.raw`^drop\s+table\s+(?:if\s+exists\s+)?${NAMES}\s*(?:cascade|restrict)?\s*(?:;|$)`, 'i')
const WHOLE_NAME = new RegExp(String.raw`^${NAME}(?:\.${NAME})?$`)
/** They read no rows. */
const READS_NOTHING = new Set(['TRUNCATE', 'DROP', 'SET'])

/** Tables that a script empties for certain, as they are written there. Only what is plain: anything else counts as nothing. */
export interface Emptied {
  /** By TRUNCATE or DROP TABLE, before anything could have read their rows. */
  readonly first: readonly string[]
  /** By a TRUNCATE behind something that may have read them. */
  readonly later: readonly string[]
  /** Whether what comes behind the script finds that nothing was read. */
  readonly readsNothing: boolean
}

export function emptiedBy(sql: string): Emptied {
  const starts = statementStarts(sql)
  const reading = starts.findIndex(({ word }) => !READS_NOTHING.has(word))
  const leading = reading < 0 ? starts : starts.slice(0, reading)
  return {
    first: leading.flatMap((start) => [...namesIn(sql, start, TRUNCATE), ...namesIn(sql, start, DROP)]),
    later: starts.slice(leading.length).flatMap((start) => namesIn(sql, start, TRUNCATE)),
    readsNothing: reading < 0,
  }
}

function namesIn(sql: string, { offset }: StatementStart, statement: RegExp): readonly string[] {
  const names = statement.exec(sql.slice(offset))?.[1]?.split(/\s*,\s*/) ?? []
  return names.map((name) => name.replace(/\s*\*$/, '')).filter((name) => WHOLE_NAME.test(name))
}
