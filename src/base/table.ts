// Plain tables for people on a terminal.

export interface Column {
  readonly title: string
  /** Numbers and sizes stand right. Default left. */
  readonly right?: boolean
}

/** Columns parted by two spaces, titles first; no trailing blanks, no newline at the end. */
export function formatTable(columns: readonly (string | Column)[], rows: readonly (readonly string[])[]): string {
  const heads = columns.map((column) => (typeof column === 'string' ? { title: column } : column))
  const widths = heads.map((head, index) =>
    Math.max(head.title.length, ...rows.map((row) => (row[index] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    heads
      .map((head, index) =>
        head.right ? (cells[index] ?? '').padStart(widths[index]!) : (cells[index] ?? '').padEnd(widths[index]!),
      )
      .join('  ')
      .trimEnd()
  return [line(heads.map((head) => head.title)), ...rows.map(line)].join('\n')
}

/** `name   value` pairs, one per line, values aligned. */
export function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd()).join('\n')
}
