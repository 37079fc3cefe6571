// Acceptance 1: peak memory of a backup: at most 512 MB up to 100,000 relations and 1 GB at 1,000,000. The relations are simulated: rows in pg_class, and files
// that are links to a few real ones. A slice (ACCEPT_GIGABYTES below 4) has 2000; `ACCEPT_RELATIONS` names other numbers, `100000,1000000`.
import { chownSync, linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { AcceptOptions } from '../../tools/accept.ts'
import { installInto } from '../../bench/speed/installed.ts'
import { CommandLine } from '../backup/cli.ts'
import { scratchFolder, startServer, type TestServer } from '../support/postgres.ts'

/** Of both sizes a full backup and an increment. */
export const defaultCount = 1
const MB = 1e6
/** A file system has room for some 65,000 links to one file. */
const LINKS = 60_000
const FIRST_OID = 1_000_000

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  const isSlice = Number(process.env['ACCEPT_GIGABYTES'] ?? 4) < 4
  const asked = process.env['ACCEPT_RELATIONS'] ?? (isSlice ? '2000' : '100000,1000000')
  let failed = 0
  for (let at = options.resumeFrom; at < options.count; at++) {
    const missed: string[] = []
    for (const relations of asked.split(',').map(Number)) {
      options.signal.throwIfAborted()
      const limit = (relations <= 100_000 ? 512 : 1000) * MB
      for (const { kind, peakBytes } of await measure(relations)) {
        const line = `${relations} relations, ${kind}: peak ${Math.round(peakBytes / MB)} MB, at most ${limit / MB}`
        options.log(`${peakBytes <= limit ? 'ok    ' : 'FAILED'} ${line}`)
        if (peakBytes > limit) missed.push(line)
      }
    }
    if (missed.length > 0) failed++
    options.done(at + 1, missed.join('; ') || undefined)
  }
  return { passed: options.count - failed, failed }
}

async function measure(relations: number): Promise<{ kind: string; peakBytes: number }[]> {
  await using scratch = await scratchFolder()
  await using server = await startServer({
    major: 18,
    settings: { autovacuum: 'off', allow_system_table_mods: 'on', max_wal_size: '4GB' },
  })
  await simulate(server, relations)
  // What users run: sources would add the memory that it takes to strip their types.
  const wharf = new CommandLine(scratch.path, server.url, { program: await installInto(scratch.path) })
  await wharf.json(['repository', 'init', 'main'])
  const peaks: { kind: string; peakBytes: number }[] = []
  for (const kind of ['full', 'incremental']) {
    const watch = watchMemory(scratch.path)
    await wharf.json(['backup', 'run', 'retail', '--kind', kind, '--workers', '2'])
    peaks.push({ kind, peakBytes: watch.end() })
  }
  return peaks
}

/** Tables that exist in pg_class and on disk, one page each, and nowhere else. */
async function simulate(server: TestServer, relations: number): Promise<void> {
  await server.psql('create table one (n int); insert into one select generate_series(1, 100); checkpoint')
  const [of] = await server.psql<{ path: string }>(`select pg_relation_filepath('one') as path`)
  for (let from = 0; from < relations; from += LINKS) {
    await server.psql(`
      insert into pg_class select (r).* from (
        select jsonb_populate_record(c, jsonb_build_object('oid', ${FIRST_OID} + n, 'relname', 'sales_of_the_month_' || n,
                 'relfilenode', ${FIRST_OID} + n, 'relhasindex', false, 'reltoastrelid', 0, 'reltype', 0)) as r
          from pg_class c, generate_series(${from}, ${Math.min(relations, from + LINKS) - 1}) n where c.relname = 'one') x`)
    const page = readFileSync(join(server.dataDirectory, of!.path))
    const folder = join(server.dataDirectory, of!.path, '..')
    const first = join(folder, String(FIRST_OID + from))
    writeFileSync(first, page, { mode: 0o600 })
    if (server.account) chownSync(first, server.account.uid, server.account.gid)
    for (let n = from + 1; n < Math.min(relations, from + LINKS); n++)
      linkSync(first, join(folder, String(FIRST_OID + n)))
  }
  await server.psql('checkpoint')
}

/** The largest resident set that any process had whose command line names `mark`, by the kernel's own high-water mark. */
function watchMemory(mark: string): { end(): number } {
  let peak = 0
  const look = (): void => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark)) continue
        const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
        peak = Math.max(peak, Number(kilobytes ?? 0) * 1024)
      } catch {
        // It has just ended.
      }
    }
  }
  const timer = setInterval(look, 50)
  return {
    end: () => {
      clearInterval(timer)
      return peak
    },
  }
}
