// What `wharf wal push` costs besides starting Node and the transfer itself. Usage: npm run build && node bin/wharf-node bench/push.ts [rounds=15]
//
// Interleaved, medians: an empty Node script; the push of a new 16 MB segment; and, in this process and warm, reading, parsing, sealing and storing the
// same segment (the transfer). Own cost = push − empty − transfer. Also from the sources as they are, where there is no build.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { encodePushOptions, pushOptionsName } from '../src/backup/push/options.ts'
import { pushFile } from '../src/backup/push/push-file.ts'
import { parseControlFile } from '../src/wal/control-file.ts'
import { makeRepository } from '../test/backup/world.ts'
import { scratchFolder, startServer } from '../test/support/postgres.ts'
import { readFileSync, readdirSync, cpSync } from 'node:fs'

const rounds = Number(process.argv[2] ?? 15)
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const entries: Record<string, string> = { sources: join(root, 'src/app/wal.ts') }
const compiled = join(root, 'dist/wal/wharf-wal.js')
if (existsSync(compiled)) entries['compiled'] = compiled

await using scratch = await scratchFolder()
await using server = await startServer({ major: 18, settings: { wal_keep_size: '4GB', max_wal_size: '4GB' } })
await server.psql('create table t as select n as id, md5(n::text) as body from generate_series(1, 1500000) n')
await server.psql('select pg_switch_wal()')
const segments = readdirSync(join(server.dataDirectory, 'pg_wal'))
  .filter((name) => /^[0-9A-F]{24}$/.test(name))
  .sort()
// One that is full, with one before it.
const name = segments[2]!
const place = join(scratch.path, 'data')
mkdirSync(join(place, 'global'), { recursive: true })
mkdirSync(join(place, 'pg_wal'))
cpSync(join(server.dataDirectory, 'global/pg_control'), join(place, 'global/pg_control'))
for (const one of segments.slice(1, 3)) cpSync(join(server.dataDirectory, 'pg_wal', one), join(place, 'pg_wal', one))
const control = parseControlFile(readFileSync(join(place, 'global/pg_control')))
const empty = join(scratch.path, 'empty.mjs')
writeFileSync(empty, '')

const times: Record<string, number[]> = { empty: [], transfer: [] }
for (let round = 0; round < rounds; round++) {
  for (const [how, entry] of Object.entries(entries)) {
    const repository = await freshRepository()
    writeFileSync(
      join(place, pushOptionsName),
      encodePushOptions({
        version: 1,
        warehouse: 'retail',
        systemIdentifier: String(control.systemIdentifier),
        repositories: [{ name: 'r', required: true, seed: repository.readerSeed }],
      }),
    )
    ;(times[how] ??= []).push(timed(() => run([entry, 'wal', 'push', `pg_wal/${name}`])))
  }
  times['empty']!.push(timed(() => run([empty])))
  const repository = await freshRepository()
  const began = performance.now()
  await pushFile(join(place, 'pg_wal', name), {
    archives: [{ wal: repository.wal, required: true }],
    shape: {
      systemIdentifier: control.systemIdentifier,
      majorVersion: 18,
      postgresVersion: 180_000,
      segmentBytes: control.walSegmentBytes,
    },
    signal: new AbortController().signal,
    onProblem: () => Promise.resolve(),
  })
  times['transfer']!.push(performance.now() - began)
}
for (const [what, all] of Object.entries(times)) console.log(`${what.padEnd(10)} ${median(all).toFixed(1)} ms`)
for (const how of Object.keys(entries)) {
  const own = median(times[how]!) - median(times['empty']!) - median(times['transfer']!)
  console.log(`own cost of the ${how} entry: ${own.toFixed(1)} ms (goal: < 50)`)
}

async function freshRepository() {
  const path = join(scratch.path, 'repository')
  rmSync(path, { recursive: true, force: true })
  return await makeRepository(path)
}

function run(args: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: place, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

function timed(work: () => void): number {
  const began = performance.now()
  work()
  return performance.now() - began
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!
}
