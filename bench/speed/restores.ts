// Restores beside pgBackRest's: a whole one into an empty folder, then one over what is there when 1 % of its blocks are damaged.
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { seededRandom } from '../../src/base/random.ts'
import { missing } from '../../test/support/requirements.ts'
import { scratchFolder, startServer } from '../../test/support/postgres.ts'
import type { Ratio } from './compare.ts'
import { folderFor, PROCESSES, type Contender } from './contender.ts'
import { dropCaches, median, type Cost } from './measured.ts'
import { pgbackrest, type PgBackRest } from './pgbackrest.ts'
import { fill } from './sales.ts'
import { wharfinger } from './wharf.ts'

export interface RestoreOptions {
  readonly gigabytes: number
  readonly rounds: number
  readonly seed?: number
  /** Default: caches are dropped before each restore (needs root). */
  readonly warm?: boolean
  readonly log: (line: string) => void
  readonly signal?: AbortSignal
}

const BLOCK_BYTES = 8192
type Step = 'full' | 'delta'

export async function compareRestores(options: RestoreOptions): Promise<readonly Ratio[]> {
  const lacking = missing('pgbackrest')
  if (lacking !== undefined) {
    options.log(`left out: ${lacking}`)
    return []
  }
  await using scratch = await scratchFolder()
  await using server = await startServer({
    major: 15,
    settings: {
      fsync: 'on',
      autovacuum: 'off',
      shared_buffers: '256MB',
      max_wal_size: '4GB',
      archive_mode: 'on',
      archive_command: 'true',
    },
  })
  await fill(server, options.gigabytes)
  const theirs: PgBackRest = pgbackrest(server, {
    program: 'pgbackrest',
    folder: join(scratch.path, 'pgbackrest'),
    blocks: false,
  })
  await server.psql(`alter system set archive_command = '${theirs.archiveCommand}'`)
  await server.psql('select pg_reload_conf()')
  await theirs.prepare()
  const ours = await wharfinger(server, join(scratch.path, 'wharf'))
  for (const one of [theirs, ours]) await one.backup('full')
  await server.stop('fast')

  const times = new Map<string, Record<Step, Cost[]>>()
  let written = 0
  for (let round = 0; round < options.rounds; round++) {
    const order = round % 2 === 0 ? [theirs, ours] : [ours, theirs]
    for (const one of order) {
      options.signal?.throwIfAborted()
      const into = folderFor(server, scratch.path, `restored-${order.indexOf(one)}`)
      const taken = times.get(one.name) ?? { full: [], delta: [] }
      times.set(one.name, taken)
      taken.full.push(await timed('full', one, { into, options, round }))
      const total = damage(into, seededRandom((options.seed ?? 1) * 1000 + round))
      const delta = await timed('delta', one, { into, options, round })
      taken.delta.push(delta)
      if (one === ours) {
        const report = JSON.parse(delta.said!.slice(delta.said!.indexOf('{'), delta.said!.lastIndexOf('}') + 1)) as {
          restored: { writtenBytes: number }
        }
        written = Math.max(written, report.restored.writtenBytes / total)
      }
      rmSync(into, { recursive: true, force: true })
    }
  }
  const ratio = (step: Step): number =>
    median(times.get(ours.name)![step].map((one, pair) => times.get(theirs.name)![step][pair]!.seconds / one.seconds))
  for (const [name, taken] of times)
    for (const step of ['full', 'delta'] as const)
      options.log(
        `median   ${step.padEnd(6)} ${name.padEnd(18)} ${median(taken[step].map((one) => one.seconds)).toFixed(2)} s, ${median(taken[step].map((one) => one.cpuSeconds)).toFixed(2)} CPU s`,
      )
  return [
    { what: `full restore: speed ÷ ${theirs.name}, ${PROCESSES} processes`, value: ratio('full'), limit: { atLeast: 1.3 }, timed: true },
    { what: `delta after 1 % damage: speed ÷ ${theirs.name}`, value: ratio('delta'), limit: { atLeast: 2 }, timed: true },
    { what: 'delta after 1 % damage: share of the data written', value: written, limit: { atMost: 0.03 }, timed: false },
  ] // prettier-ignore
}

async function timed(
  step: Step,
  contender: Contender,
  of: { into: string; options: RestoreOptions; round: number },
): Promise<Cost> {
  if (of.options.warm !== true) dropCaches()
  await contender.warm()
  const cost = await (step === 'full' ? contender.restore!(of.into) : contender.delta!(of.into))
  of.options.log(
    `round ${of.round + 1}  ${step.padEnd(6)} ${contender.name.padEnd(18)} ${cost.seconds.toFixed(2)} s, ${cost.cpuSeconds.toFixed(2)} CPU s`,
  )
  return cost
}

/** Other bytes in 1 % of the blocks of all relation files, at random. Returns how many bytes there are. */
function damage(folder: string, random: ReturnType<typeof seededRandom>): number {
  const files = execFileSync('find', [join(folder, 'base'), '-type', 'f', '-size', '+7k'], { encoding: 'utf8' })
    .split('\n')
    .filter((path) => /\/\d+(_\w+)?(\.\d+)?$/.test(path))
    .sort()
  let total = 0
  for (const path of files) {
    const { size } = statSync(path)
    total += size
    const descriptor = openSync(path, 'r+')
    for (let left = Math.round(size / BLOCK_BYTES / 100); left > 0; left--)
      writeSync(descriptor, random.bytes(512), 0, 512, BLOCK_BYTES * random.integer(size / BLOCK_BYTES) + 1024)
    closeSync(descriptor)
  }
  return total
}
