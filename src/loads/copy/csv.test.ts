// The reader against csv-parse, which shares no code with it, on generated files cut into arbitrary chunks.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parse } from 'csv-parse/sync'
import fc from 'fast-check'

import { readCsv, type CsvFormat, type CsvRecord } from './csv.ts'

const format: CsvFormat = { delimiter: ',', quote: '"', finalNewline: true }

async function read(bytes: Buffer, cuts: readonly number[] = [], how: Partial<CsvFormat> = {}): Promise<CsvRecord[]> {
  const records: CsvRecord[] = []
  for await (const batch of readCsv(pieces(bytes, cuts), { ...format, ...how }, 'x.csv')) records.push(...batch)
  return records
}

async function* pieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (const cut of [...cuts.map((one) => one % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    if (cut > at) yield bytes.subarray(at, cut)
    at = cut
  }
  await Promise.resolve()
}

const plain = fc.string({ unit: fc.constantFrom('a', 'é', '日', '😀', ' ', '.', '1', '\\', '\t') })
const hard = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', '\r\n', '😀', '') })
const cell = fc.oneof(
  { weight: 4, arbitrary: plain.map((text) => ({ text, quoted: false })) },
  { weight: 1, arbitrary: hard.map((text) => ({ text, quoted: true })) },
)
const table = fc
  .integer({ min: 2, max: 5 })
  .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 12 }))

test('fields, quotes and lines are those that csv-parse finds, wherever the chunks are cut', async () => {
  await fc.assert(
    fc.asyncProperty(table, fc.constantFrom('\n', '\r\n'), fc.array(fc.nat()), async (rows, lineEnd, cuts) => {
      const text = rows
        .map(
          (row) =>
            row.map((one) => (one.quoted ? `"${one.text.replaceAll('"', '""')}"` : one.text)).join(',') + lineEnd,
        )
        .join('')
      const found = await read(Buffer.from(text), cuts)
      const wanted = parse(text, { record_delimiter: lineEnd, relax_column_count: true })
      assert.deepEqual(
        found.map((record) => record.fields),
        wanted,
      )
      for (const [index, record] of found.entries()) {
        for (const [column, one] of rows[index]!.entries()) {
          assert.equal(record.quoted?.[column] ?? false, one.quoted)
          const place = record.placeOf(column)
          const start =
            text
              .split('\n')
              .slice(0, place.line - 1)
              .join('\n').length +
            (place.line > 1 ? 1 : 0) +
            place.column -
            1
          assert.ok(text.startsWith(one.quoted ? `"${one.text.replaceAll('"', '""')}"` : one.text, start))
        }
      }
    }),
    { numRuns: 300 },
  )
})

async function refusal(content: string | Buffer, how: Partial<CsvFormat> = {}): Promise<string> {
  const failed = await read(Buffer.from(content), [7, 19], how).then(
    () => 'read',
    (error: Error) => error.message,
  )
  return failed
}

test('a byte order mark is no part of the first name', async () => {
  assert.deepEqual((await read(Buffer.from('\u{FEFF}a,b\n1,2\n')))[0]?.fields, ['a', 'b'])
  assert.deepEqual((await read(Buffer.from('\u{FEFF}"a",b\n"1\n",2\n'), [12]))[1]?.fields, ['1\n', '2'])
})

test('what cannot be read is refused with its place', async () => {
  assert.equal(await refusal(''), 'x.csv: the file is empty: it lacks the header line')
  assert.equal(
    await refusal('a,b\n1,2\n3,4'),
    'x.csv, line 3, column 4: the last line does not end with a line break, so the file may be torn',
  )
  assert.equal(await refusal('a,b\n1,"2\n3,4\n'), 'x.csv, line 2, column 3: a quote is opened here and never closed')
  assert.equal(
    await refusal('a,b\n"x\ny","2\n3,4\n'),
    'x.csv, line 3, column 4: a quote is opened here and never closed',
  )
  assert.equal(
    await refusal('a,b\n1,2"3\n'),
    'x.csv, line 2, column 4: a quote inside a value: a value with quotes must be quoted as a whole, and its quotes doubled',
  )
  assert.equal(
    await refusal('a,b\n"1"x,2\n'),
    'x.csv, line 2, column 3: a quote inside a value: a value with quotes must be quoted as a whole, and its quotes doubled',
  )
  assert.equal(await refusal(Buffer.from('a,b\n1,2\nü,ü\n', 'latin1')), 'x.csv, line 3, column 1: not UTF-8: byte 0xfc')
  assert.equal(
    await refusal(Buffer.from('a,b\nüx\xfcy,1\n', 'latin1')),
    'x.csv, line 2, column 1: not UTF-8: byte 0xfc',
  )
  assert.equal(
    await refusal(Buffer.concat([Buffer.from('a,b\né,'), Buffer.from([0xe9, 0x0a])])),
    'x.csv, line 2, column 3: not UTF-8: byte 0xe9',
  )
  assert.equal(
    await refusal(Buffer.from('\u{FEFF}a,b\n1,2\n', 'utf16le')),
    'x.csv, line 1, column 1: not UTF-8: byte 0xff',
  )
  assert.equal(await refusal('a,b\n1,\0\n'), 'x.csv, line 2, column 3: a zero byte, which no text may hold')
})

test('a last line without line break is read where that is allowed', async () => {
  const records = await read(Buffer.from('a,b\n1,2\n"3",4'), [], { finalNewline: false })
  assert.deepEqual(
    records.map((record) => record.fields),
    [
      ['a', 'b'],
      ['1', '2'],
      ['3', '4'],
    ],
  )
})

test('other delimiters and quotes', async () => {
  const records = await read(Buffer.from("a;b\n'1;''x';2\n"), [], { delimiter: ';', quote: "'" })
  assert.deepEqual(records[1]?.fields, ["1;'x", '2'])
})
