// Checked loading of CSV: MB of file per second into a real table, beside PostgreSQL's own COPY of the same file (which checks less and names no
// column of the file). `npm run bench -- copy [MB]`.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import { from } from 'pg-copy-streams'

import { checkFor } from '../src/loads/copy/types.ts'
import { readCsv } from '../src/loads/copy/csv.ts'
import { CopyEncoder } from '../src/loads/copy/encode.ts'
import { InputBytes } from '../src/loads/copy/bytes.ts'
import { weatherDay, weatherHeader, writeOld } from '../test/loads/feeds.ts'
import { ensureDatabase, openLoadStage } from '../test/loads/stage.ts'
import { startServer } from '../test/support/postgres.ts'
import { seededRandom } from '../src/base/random.ts'

const megabytes = Number(process.argv[2] ?? 64)
const types = [
  'text',
  'smallint',
  'smallint',
  'smallint',
  'smallint',
  ...Array<string>(3).fill('double precision'),
  'smallint',
  ...Array<string>(5).fill('double precision'),
  'timestamp with time zone',
]
const columns = weatherHeader.split(',').map((name, index) => `${name} ${types[index]}`)

await using server = await startServer({ major: 18 })
await ensureDatabase(server, 'control')
const copy = { into: 't', files: 'big.csv', null_words: ['NA'], settle: '0s' }
await using stage = await openLoadStage({
  server,
  pipelines: { big: { warehouse: 'dw', tasks: { load: { copy } } } },
  lease: '60s',
})
const path = join(stage.folder, 'big.csv')
await writeOld(path, content(megabytes))
const { size: bytes } = await stat(path)
const rate = (ms: number): string => `${(bytes / 1e6 / (ms / 1000)).toFixed(1)} MB/s`

for (let round = 0; round < 3; round++) {
  await server.psql(`drop table if exists t; create unlogged table t (${columns.join(', ')})`)
  const cpu = process.cpuUsage()
  const checked = rate(await timed(checkOnly))
  const { user, system } = process.cpuUsage(cpu)
  console.log(`checking alone: ${checked}; ${(bytes / (user + system)).toFixed(1)} MB per CPU second`)
  await server.psql('drop schema if exists wharf cascade')
  console.log(
    `checked load:   ${rate(
      await timed(async () => {
        const run = await stage.run('big')
        if (run.state !== 'succeeded') throw new Error(JSON.stringify(run.tasks[0]?.error))
      }),
    )}`,
  )
  await server.psql('truncate t')
  console.log(`bare COPY:      ${rate(await timed(bare))}`)
}

function content(wanted: number): string {
  const random = seededRandom(1)
  const days: string[] = []
  for (let length = 0; length < wanted * 1e6;) {
    const day = weatherDay('2013-01-05', random).slice(weatherHeader.length + 1)
    days.push(day)
    length += day.length
  }
  return `${weatherHeader}\n${days.join('')}`
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** Reading, hashing, UTF-8, splitting, types and encoding, without a server. */
async function checkOnly(): Promise<void> {
  const { mtimeMs } = await stat(path)
  const file = { name: 'big.csv', path, businessDate: undefined, bytes, modifiedMs: Math.trunc(mtimeMs) }
  await using input = await InputBytes.open(file, new AbortController().signal)
  const fields = types.map((type, index) => ({
    column: { name: `c${index}`, type, notNull: false, hasDefault: false, isGenerated: false },
    check: checkFor(type),
  }))
  const encoder = new CopyEncoder({ names: weatherHeader.split(','), fields }, { nullWords: ['NA'] }, 'big.csv')
  let first = true
  for await (const batch of readCsv(input.chunks(), { delimiter: ',', quote: '"', finalNewline: true }, 'big.csv')) {
    encoder.encode(first ? batch.slice(1) : batch)
    first = false
  }
  await input.finish()
}

async function bare(): Promise<void> {
  await using client = await server.connect()
  await pipeline(
    createReadStream(path, { highWaterMark: 1 << 20 }),
    client.query(from("copy t from stdin with (format csv, header true, null 'NA')")),
  )
}
