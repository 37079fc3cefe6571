// Reads CSV as RFC 4180 has it, block by block, and knows for every value where it stands. Lines without a quote, which are nearly all
// lines of nearly all feeds, are split by the engine's own code; the rest is walked character by character.
import { isUtf8 } from 'node:buffer'

import { errors } from '../errors.ts'

export interface CsvFormat {
  readonly delimiter: string
  readonly quote: string
  /** False: a last line without line break is taken as it is. */
  readonly finalNewline: boolean
}

export interface CsvRecord {
  readonly fields: string[]
  /** For each field whether it was quoted; undefined where none was. */
  readonly quoted: readonly boolean[] | undefined
  /** Where the record begins; lines from 1. */
  readonly line: number
  /** Where field `index` begins: line, and character within it from 1. */
  placeOf(index: number): { line: number; column: number }
}

/** A record that has no end within this many bytes is a quote that was never closed. */
const LONGEST_RECORD = 16 * 1024 * 1024
const LF = 0x0a

/** Records of a file in batches, one per block that was read. `file` is its name in errors. */
export async function* readCsv(
  bytes: AsyncIterable<Buffer>,
  format: CsvFormat,
  file: string,
): AsyncGenerator<CsvRecord[]> {
  const reader = new CsvReader(format, file)
  for await (const chunk of bytes) {
    const records = reader.push(chunk)
    if (records.length > 0) yield records
  }
  const records = reader.end()
  if (records.length > 0) yield records
}

class CsvReader {
  private readonly format: CsvFormat
  private readonly file: string
  private readonly quoteByte: number
  private rest: Buffer = Buffer.alloc(0)
  private line = 1
  private first = true

  constructor(format: CsvFormat, file: string) {
    this.format = format
    this.file = file
    this.quoteByte = format.quote.charCodeAt(0)
  }

  push(chunk: Buffer): CsvRecord[] {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    const end = bytes.lastIndexOf(LF) + 1
    if (end === 0) return this.keep(bytes, [])
    const records: CsvRecord[] = []
    const used = this.take(bytes.subarray(0, end), records)
    return this.keep(bytes.subarray(used), records)
  }

  end(): CsvRecord[] {
    if (this.rest.length === 0) {
      if (this.first) throw errors.emptyFile({ file: this.file })
      return []
    }
    const records: CsvRecord[] = []
    const isWhole = this.rest.at(-1) === LF
    const block = isWhole ? this.rest : Buffer.concat([this.rest, Buffer.from('\n')])
    const used = this.take(block, records)
    if (used < block.length) throw this.openQuoteIn(block.subarray(used).toString('utf8'))
    if (!isWhole && this.format.finalNewline) {
      const last = this.rest.subarray(this.rest.lastIndexOf(LF) + 1).toString('utf8')
      throw errors.tornLine({ file: this.file, line: this.line - 1, column: last.length + 1 })
    }
    return records
  }

  private keep(rest: Buffer, records: CsvRecord[]): CsvRecord[] {
    if (rest.length > LONGEST_RECORD) throw this.openQuoteIn(rest.toString('utf8'))
    this.rest = rest
    return records
  }

  /** Reads records from whole lines; returns how many bytes it used (not all where a quote stays open). */
  private take(block: Buffer, records: CsvRecord[]): number {
    this.checkBytes(block)
    let text = block.toString('utf8')
    let mark = 0
    if (this.first) {
      this.first = false
      if (text.startsWith('\u{FEFF}')) {
        text = text.slice(1)
        mark = 3
      }
    }
    if (!block.includes(this.quoteByte)) {
      this.takePlain(text, records)
      return block.length
    }
    const usedChars = this.takeQuoted(text, records)
    return usedChars === text.length ? block.length : mark + Buffer.byteLength(text.slice(0, usedChars), 'utf8')
  }

  private takePlain(text: string, records: CsvRecord[]): void {
    const lines = text.split('\n')
    lines.pop()
    for (const line of lines) records.push(this.plain(line))
  }

  private plain(line: string): CsvRecord {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    return new PlainRecord(text.split(this.format.delimiter), this.line++)
  }

  private takeQuoted(text: string, records: CsvRecord[]): number {
    let at = 0
    while (at < text.length) {
      const end = text.indexOf('\n', at)
      const line = text.slice(at, end)
      if (!line.includes(this.format.quote)) {
        records.push(this.plain(line))
        at = end + 1
        continue
      }
      const walked = this.walk(text, at)
      if (!walked) return at
      records.push(walked.record)
      at = walked.next
    }
    return at
  }

  /** One record with quotes, from `start` on; undefined where the text ends within a quote. */
  private walk(text: string, start: number): { record: CsvRecord; next: number } | undefined {
    const { delimiter, quote } = this.format
    const record = new WalkedRecord(this.line)
    let { line } = this
    let lineStart = start
    let at = start
    for (;;) {
      record.starts.push({ line, column: at - lineStart + 1 })
      const isQuoted = text[at] === quote
      record.quoted.push(isQuoted)
      if (isQuoted) {
        const closed = closingQuote(text, at + 1, quote)
        if (closed < 0) return undefined
        const value = text.slice(at + 1, closed)
        record.fields.push(value.includes(quote) ? value.replaceAll(quote + quote, quote) : value)
        for (let lf = text.indexOf('\n', at); lf >= 0 && lf < closed; lf = text.indexOf('\n', lf + 1)) {
          line++
          lineStart = lf + 1
        }
        at = closed + 1
      } else {
        const end = fieldEnd(text, at, delimiter)
        const value = text.slice(at, end)
        const stray = value.indexOf(quote)
        if (stray >= 0) throw errors.strayQuote({ file: this.file, line, column: at + stray - lineStart + 1 })
        record.fields.push(value.endsWith('\r') && text[end] === '\n' ? value.slice(0, -1) : value)
        at = end
      }
      if (text[at] === '\r' && text[at + 1] === '\n') at++
      if (text[at] === '\n') {
        this.line = line + 1
        return { record, next: at + 1 }
      }
      if (text[at] !== delimiter) throw errors.strayQuote({ file: this.file, line, column: at - lineStart })
      at++
    }
  }

  private checkBytes(block: Buffer): void {
    if (isUtf8(block) && !block.includes(0)) return
    const isUtf16 =
      this.first && block.length > 1 && (block.readUInt16BE(0) === 0xfffe || block.readUInt16BE(0) === 0xfeff)
    if (isUtf16) throw errors.badEncoding({ file: this.file, line: 1, column: 1, bytes: hex(block[0]!) })
    let line = this.line
    for (let start = 0; start < block.length; line++) {
      const end = block.indexOf(LF, start) + 1
      const bytes = block.subarray(start, end)
      if (!isUtf8(bytes)) {
        const bad = firstBadByte(bytes)
        throw errors.badEncoding({
          file: this.file,
          line,
          column: bytes.subarray(0, bad).toString('utf8').length + 1,
          bytes: hex(bytes[bad]!),
        })
      }
      const zero = bytes.indexOf(0)
      if (zero >= 0)
        throw errors.zeroByte({ file: this.file, line, column: bytes.subarray(0, zero).toString('utf8').length + 1 })
      start = end
    }
  }

  private openQuoteIn(text: string): Error {
    const { line } = this
    try {
      let lineStart = 0
      let at = 0
      let current = line
      const { quote, delimiter } = this.format
      for (;;) {
        if (text[at] === quote) {
          const closed = closingQuote(text, at + 1, quote)
          if (closed < 0) return errors.openQuote({ file: this.file, line: current, column: at - lineStart + 1 })
          for (let lf = text.indexOf('\n', at); lf >= 0 && lf < closed; lf = text.indexOf('\n', lf + 1)) {
            current++
            lineStart = lf + 1
          }
          at = closed + 1
        } else {
          at = fieldEnd(text, at, delimiter)
        }
        if (at >= text.length) break
        at++
      }
    } catch {
      // Falls back to where the record begins.
    }
    return errors.openQuote({ file: this.file, line, column: 1 })
  }
}

class PlainRecord implements CsvRecord {
  readonly fields: string[]
  readonly line: number
  readonly quoted = undefined

  constructor(fields: string[], line: number) {
    this.fields = fields
    this.line = line
  }

  placeOf(index: number): { line: number; column: number } {
    let column = 1
    for (let before = 0; before < index && before < this.fields.length; before++)
      column += this.fields[before]!.length + 1
    return { line: this.line, column }
  }
}

class WalkedRecord implements CsvRecord {
  readonly fields: string[] = []
  readonly quoted: boolean[] = []
  readonly starts: { line: number; column: number }[] = []
  readonly line: number

  constructor(line: number) {
    this.line = line
  }

  placeOf(index: number): { line: number; column: number } {
    return this.starts[Math.min(index, this.starts.length - 1)]!
  }
}

/** The quote that closes a quoted value whose content starts at `at`, or −1. */
function closingQuote(text: string, at: number, quote: string): number {
  let found = text.indexOf(quote, at)
  while (found >= 0 && text[found + 1] === quote) found = text.indexOf(quote, found + 2)
  return found
}

function fieldEnd(text: string, at: number, delimiter: string): number {
  const lineEnd = text.indexOf('\n', at)
  const next = text.indexOf(delimiter, at)
  const end = lineEnd < 0 ? text.length : lineEnd
  return next >= 0 && next < end ? next : end
}

/** Of bytes that are not UTF-8: the first that cannot be. */
function firstBadByte(bytes: Buffer): number {
  let low = 0
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at]!
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    low = at
    if (!isUtf8(bytes.subarray(at, at + length))) return low
    at += length
  }
  return low
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`
}
