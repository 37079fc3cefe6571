// Acceptance 7: full, increment and restore against Debian's pgBackRest: same server, same data, 2 processes each, zstd 3 there, interleaved, medians of
// the pairs. Wall time of whole commands, start to end; both wait until the WAL of the backup is in their repository.
// Usage: npm run bench -- pgbackrest [--gigabytes 2] [--rounds 5]
//
// What is equal: a PostgreSQL 15 server with fsync on, full durability of both repositories on the same disk, page checksums verified by both,
// files cached alike (the order alternates). What is not: wharf encrypts (its default), pgBackRest does not (its default).
import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { formatSize } from '../src/base/units.ts'
import { CommandLine } from '../test/backup/cli.ts'
import { missing } from '../test/support/requirements.ts'
import { scratchFolder, startServer, type TestServer } from '../test/support/postgres.ts'

const { values } = parseArgs({
  options: { gigabytes: { type: 'string', default: '2' }, rounds: { type: 'string', default: '5' } },
})
const gigabytes = Number(values.gigabytes)
const rounds = Number(values.rounds)
const PROCESSES = 2

const lacking = missing('pgbackrest')
if (lacking !== undefined) {
  console.error(`skipped: ${lacking}`)
  process.exit(3)
}

await using scratch = await scratchFolder()
await using server = await startServer({
  major: 15,
  settings: {
    fsync: 'on',
    autovacuum: 'off',
    shared_buffers: '512MB',
    max_wal_size: '8GB',
    checkpoint_timeout: '1h',
    archive_mode: 'on',
    archive_command: 'true',
  },
})
const folder = (name: string): string => {
  const path = join(scratch.path, name)
  mkdirSync(path, { recursive: true, mode: 0o755 })
  if (server.account) chownSync(path, server.account.uid, server.account.gid)
  return path
}

/** Facts of a warehouse: numbers, dates, text that compresses about threefold, two indexes. */
async function fill(): Promise<void> {
  await server.psql(
    `create table sales (id bigint, day date, customer int, product int, quantity int, price numeric(12,2), note text) with (fillfactor = 90)`,
  )
  const rowsPerGigabyte = 6_500_000
  const rows = Math.round(rowsPerGigabyte * gigabytes)
  for (let from = 0; from < rows; from += 1_000_000) {
    await server.psql(`insert into sales select n, date '2024-01-01' + (n / 20000), (random() * 1e6)::int, (random() * 1e4)::int, (random() * 10)::int,
      (random() * 1000)::numeric(12,2), md5(n::text) || ' order ' || (n % 1000) from generate_series(${from}, ${Math.min(rows, from + 1_000_000) - 1}) n`)
  }
  await server.psql('create index on sales (id); create index on sales (customer)')
  await server.psql('vacuum (freeze, analyze) sales')
  await server.psql('checkpoint')
}

/** One row in each of 1 % of the heap blocks, HOT. */
async function touch(turn: number): Promise<void> {
  await server.psql(`update sales set quantity = quantity + 1 where ctid = any (
    select format('(%s,1)', b)::tid from generate_series(${(turn * 37) % 100}, (pg_relation_size('sales') / 8192)::int - 1, 100) b)`)
  await server.psql('checkpoint')
}

interface Contender {
  backup(kind: 'full' | 'increment'): Promise<number>
  restore(into: string): Promise<number>
}

function pgbackrest(): Contender {
  const [home, log, lock, spool] = ['pgbackrest', 'pgbackrest/log', 'pgbackrest/lock', 'pgbackrest/spool'].map(folder)
  const config = join(home!, 'pgbackrest.conf')
  writeFileSync(
    config,
    `[global]\nrepo1-path=${folder('pgbackrest/repository')}\nlog-path=${log}\nlock-path=${lock}\nspool-path=${spool}\n` +
      `process-max=${PROCESSES}\ncompress-type=zst\ncompress-level=3\nstart-fast=y\nrepo1-bundle=y\nrepo1-retention-full=1\n` +
      `[main]\npg1-path=${server.dataDirectory}\npg1-port=${server.port}\npg1-socket-path=${server.socketDirectory}\npg1-user=postgres\npg1-database=postgres\n`,
    { mode: 0o644 },
  )
  const run = (...args: string[]): number => {
    const command = ['pgbackrest', `--config=${config}`, '--stanza=main', '--log-level-console=warn', ...args]
    const [program = '', ...rest] = server.account
      ? ['setpriv', `--reuid=${server.account.uid}`, `--regid=${server.account.gid}`, '--clear-groups', ...command]
      : command
    const startedAt = performance.now()
    const ran = spawnSync(program, rest, { encoding: 'utf8' })
    if (ran.status !== 0) throw new Error(`pgbackrest ${args.join(' ')}: ${ran.stdout}${ran.stderr}`)
    return (performance.now() - startedAt) / 1000
  }
  let prepared: Promise<void> | undefined
  const prepare = async (): Promise<void> => {
    await server.psql(
      `alter system set archive_command = 'pgbackrest --config=${config} --stanza=main archive-push %p'`,
    )
    await server.psql('select pg_reload_conf()')
    run('stanza-create')
  }
  return {
    backup: async (kind) => {
      await (prepared ??= prepare())
      return run(`--type=${kind === 'full' ? 'full' : 'incr'}`, 'backup')
    },
    restore: (into) => Promise.resolve(run(`--pg1-path=${into}`, 'restore')),
  }
}

function wharfinger(): Contender {
  let wharf: CommandLine | undefined
  const run = async (...args: string[]): Promise<number> => (await wharf!.json(args)).ran.seconds
  return {
    backup: async (kind) => {
      // A repository of its own for each full: pgBackRest expires the one before in the same command.
      if (kind === 'full') {
        const home = folder('wharf')
        rmSync(join(home, 'repository'), { recursive: true, force: true })
        wharf = new CommandLine(home, server.url)
        await run('repository', 'init', 'main')
      }
      return await run(
        'backup',
        'run',
        'retail',
        '--kind',
        kind === 'full' ? 'full' : 'incremental',
        '--workers',
        String(PROCESSES),
      )
    },
    restore: (into) =>
      run('recover', 'run', 'retail', '--to-directory', into, '--latest', '--workers', String(PROCESSES)),
  }
}

type Step = 'full' | 'increment' | 'restore'
const steps: readonly Step[] = ['full', 'increment', 'restore']
const contenders: Readonly<Record<string, Contender>> = { pgbackrest: pgbackrest(), wharf: wharfinger() }
const times: Record<string, Record<Step, number[]>> = {}

async function carryOut(step: Step, contender: Contender): Promise<number> {
  if (step !== 'restore') return await contender.backup(step)
  const into = folder('restored')
  try {
    return await contender.restore(into)
  } finally {
    rmSync(into, { recursive: true, force: true })
  }
}

const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((one, other) => one - other)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

async function compare(on: TestServer): Promise<void> {
  await fill()
  const [size] = await on.psql<{ bytes: string }>('select sum(pg_database_size(oid))::text as bytes from pg_database')
  console.log(`PostgreSQL 15, ${formatSize(BigInt(size!.bytes))}, ${PROCESSES} processes each, ${rounds} rounds`)
  for (let round = 0; round < rounds; round++) {
    const order = Object.entries(contenders)
    if (round % 2 === 1) order.reverse()
    for (const step of steps) {
      if (step === 'increment') await touch(round)
      for (const [name, contender] of order) {
        const seconds = await carryOut(step, contender)
        ;((times[name] ??= { full: [], increment: [], restore: [] })[step] ??= []).push(seconds)
        console.log(`round ${round + 1}  ${step.padEnd(10)} ${name.padEnd(11)} ${seconds.toFixed(2)} s`)
      }
    }
  }
  for (const step of steps) {
    const [theirs, ours] = [times['pgbackrest']![step], times['wharf']![step]]
    const ratio = median(theirs.map((seconds, pair) => seconds / ours[pair]!))
    console.log(
      `${step.padEnd(10)} pgbackrest ${median(theirs).toFixed(2)} s, wharf ${median(ours).toFixed(2)} s: ${ratio.toFixed(2)} × its speed (median of ${rounds} pairs)`,
    )
  }
  console.log(`repeat: npm run bench -- pgbackrest --gigabytes ${gigabytes} --rounds ${rounds}`)
}

await compare(server)
