// The whole comparison: two servers one after the other, everybody interleaved, medians.
import { copyFileSync, linkSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { missing, programPath } from '../../test/support/requirements.ts'
import { scratchFolder, startServer, type Major, type TestServer } from '../../test/support/postgres.ts'
import { baseBackup } from './base-backup.ts'
import { folderFor, type Contender, type Kind } from './contender.ts'
import { dropCaches, median, type Cost } from './measured.ts'
import { pgbackrest, type PgBackRest } from './pgbackrest.ts'
import { changeOnePercent, fill } from './sales.ts'
import { wharfinger } from './wharf.ts'

export interface CompareOptions {
  readonly gigabytes: number
  readonly rounds: number
  /** Sizes of the two warehouses between which a backup without changes is compared; none: left out. */
  readonly idleGigabytes?: readonly [small: number, large: number] | undefined
  /** Default: caches are dropped before each backup (needs root). */
  readonly warm?: boolean
  /** A newer pgBackRest, to be measured beside Debian's. */
  readonly newerPgBackRest?: string | undefined
  readonly log: (line: string) => void
  readonly signal?: AbortSignal
}

export interface Ratio {
  readonly what: string
  readonly value: number
  /** What the issue demands. */
  readonly limit: { readonly atMost: number } | { readonly atLeast: number }
  /** Whether it is a matter of time, which a busy machine may spoil. */
  readonly timed: boolean
}

export const holds = ({ value, limit }: Ratio): boolean =>
  'atMost' in limit ? value <= limit.atMost : value >= limit.atLeast

export function describeRatio(ratio: Ratio): string {
  const limit = 'atMost' in ratio.limit ? `at most ${ratio.limit.atMost}` : `at least ${ratio.limit.atLeast}`
  return `${holds(ratio) ? 'ok    ' : 'MISSED'} ${ratio.what}: ${ratio.value.toFixed(2)} (${limit})`
}

type Step = Kind | 'nothing changed'
interface Taken extends Cost {
  readonly grown: number
  readonly backups: number
}
type Times = Map<string, Map<Step, Taken[]>>

export async function compare(options: CompareOptions): Promise<readonly Ratio[]> {
  const ratios: Ratio[] = []
  if (missing('pgbackrest') === undefined) ratios.push(...(await againstPgBackRest(options)))
  else options.log(`left out: ${missing('pgbackrest')}`)
  options.signal?.throwIfAborted()
  ratios.push(...(await againstBaseBackup(options)))
  options.signal?.throwIfAborted()
  if (options.idleGigabytes) ratios.push(await idle(options, options.idleGigabytes))
  return ratios
}

async function serverWith(major: Major, options: CompareOptions): Promise<TestServer> {
  const server = await startServer({
    major,
    settings: {
      fsync: 'on',
      autovacuum: 'off',
      shared_buffers: '512MB',
      max_wal_size: '8GB',
      checkpoint_timeout: '1h',
      ...(major >= 17 ? { summarize_wal: 'on' } : { archive_mode: 'on', archive_command: 'true' }),
    },
  })
  await fill(server, options.gigabytes)
  const [size] = await server.psql<{ bytes: string }>(
    'select sum(pg_database_size(oid))::text as bytes from pg_database',
  )
  options.log(`PostgreSQL ${major}, ${(Number(size!.bytes) / 1e9).toFixed(1)} GB`)
  return server
}

async function againstPgBackRest(options: CompareOptions): Promise<Ratio[]> {
  await using scratch = await scratchFolder()
  await using server = await serverWith(15, options)
  const wharf = await wharfinger(server, join(scratch.path, 'wharf'))
  const debian = pgbackrest(server, {
    program: programPath('pgbackrest')!,
    folder: join(scratch.path, 'debian'),
    blocks: false,
  })
  const newer = options.newerPgBackRest
    ? pgbackrest(server, { program: options.newerPgBackRest, folder: join(scratch.path, 'newer'), blocks: true })
    : undefined
  const peers: PgBackRest[] = newer ? [debian, newer] : [debian]
  await server.psql(`alter system set archive_command = '${peers.map((one) => one.archiveCommand).join(' && ')}'`)
  await server.psql('select pg_reload_conf()')
  for (const peer of peers) await peer.prepare()
  const times = await rounds(server, [wharf, ...peers], options)
  const of = (step: Step, peer: Contender, value: (taken: Taken) => number): number =>
    ratioOf(times, step, { of: peer.name, over: wharf.name }, value)
  const ratios: Ratio[] = [
    { what: `full: speed ÷ ${debian.name}`, value: of('full', debian, (one) => one.seconds), limit: { atLeast: 1.5 }, timed: true },
    { what: `full: repository ÷ ${debian.name}`, value: 1 / of('full', debian, (one) => one.backups), limit: { atMost: 1.1 }, timed: false },
    { what: `full: CPU ÷ ${debian.name}`, value: 1 / of('full', debian, (one) => one.cpuSeconds), limit: { atMost: 0.7 }, timed: true },
    { what: `1 % changed: speed ÷ ${debian.name}`, value: of('increment', debian, (one) => one.seconds), limit: { atLeast: 5 }, timed: true },
    { what: `nothing changed: speed ÷ ${debian.name}`, value: of('nothing changed', debian, (one) => one.seconds), limit: { atLeast: 1 }, timed: true },
  ] // prettier-ignore
  if (newer) {
    ratios.push(
      { what: `1 % changed: speed ÷ ${newer.name}`, value: of('increment', newer, (one) => one.seconds), limit: { atLeast: 5 }, timed: true },
      { what: `1 % changed: repository growth ÷ ${newer.name}`, value: 1 / of('increment', newer, (one) => one.grown), limit: { atMost: 1.1 }, timed: false },
      { what: `nothing changed: speed ÷ ${newer.name}`, value: of('nothing changed', newer, (one) => one.seconds), limit: { atLeast: 1 }, timed: true },
    ) // prettier-ignore
  }
  return ratios
}

async function againstBaseBackup(options: CompareOptions): Promise<Ratio[]> {
  await using scratch = await scratchFolder()
  await using server = await serverWith(18, options)
  const wharf = await wharfinger(server, join(scratch.path, 'wharf'))
  const own = baseBackup(server, join(scratch.path, 'base'))
  const times = await rounds(server, [wharf, own], options)
  const ratios: Ratio[] = [
    {
      what: '1 % changed: speed ÷ BASE_BACKUP of 18',
      value: ratioOf(times, 'increment', { of: own.name, over: wharf.name }, (one) => one.seconds),
      limit: { atLeast: 1 },
      timed: true,
    },
  ]
  if (!wharf.bytesRead || !own.bytesRead) return ratios
  // Both read what has changed since the same moment: nothing lies between their last backups.
  await changeOnePercent(server, options.rounds)
  const [ours, theirs] = [await wharf.bytesRead(), await own.bytesRead()]
  options.log(`1 % changed: bytes read from the data directory: wharf ${ours}, BASE_BACKUP ${theirs}`)
  ratios.push({
    what: '1 % changed: bytes read ÷ BASE_BACKUP of 18',
    value: ours / theirs,
    limit: { atMost: 1.1 },
    timed: false,
  })
  return ratios
}

/** Each step of each round for everybody, in turns. */
async function rounds(server: TestServer, all: readonly Contender[], options: CompareOptions): Promise<Times> {
  const times: Times = new Map(all.map((one) => [one.name, new Map()]))
  for (let round = 0; round < options.rounds; round++) {
    for (const step of ['full', 'increment', 'nothing changed'] as const) {
      if (step === 'increment') await changeOnePercent(server, round)
      for (const contender of round % 2 === 0 ? all : all.toReversed()) {
        options.signal?.throwIfAborted()
        const taken = await once(step, contender, options)
        const list = times.get(contender.name)!
        list.set(step, [...(list.get(step) ?? []), taken])
        options.log(`round ${round + 1}  ${describe(step, contender.name, taken)}`)
      }
    }
  }
  for (const [name, steps] of times) {
    for (const [step, taken] of steps) {
      options.log(`median   ${describe(step, name, medianOf(taken))}`)
    }
  }
  return times
}

async function once(step: Step, contender: Contender, options: CompareOptions): Promise<Taken> {
  const before = step === 'full' ? 0 : contender.stored().backups
  if (options.warm !== true && dropCaches()) await contender.warm()
  else await contender.warm()
  const cost = await contender.backup(step === 'full' ? 'full' : 'increment')
  const { backups } = contender.stored()
  return { ...cost, backups, grown: backups - before }
}

function medianOf(taken: readonly Taken[]): Taken {
  const of = (value: (one: Taken) => number): number => median(taken.map(value))
  return {
    seconds: of((one) => one.seconds),
    cpuSeconds: of((one) => one.cpuSeconds),
    backups: of((one) => one.backups),
    grown: of((one) => one.grown),
  }
}

function describe(step: Step, name: string, taken: Taken): string {
  const cpu = Number.isNaN(taken.cpuSeconds) ? '' : `, ${taken.cpuSeconds.toFixed(2)} CPU s`
  const size = step === 'full' ? `${(taken.backups / 1e6).toFixed(0)} MB` : `+ ${(taken.grown / 1e6).toFixed(2)} MB`
  return `${step.padEnd(15)} ${name.padEnd(30)} ${taken.seconds.toFixed(2)} s${cpu}, ${size}`
}

/** Median of the pairs. */
function ratioOf(times: Times, step: Step, names: { of: string; over: string }, value: (one: Taken) => number): number {
  const [of, over] = [times.get(names.of)!.get(step)!, times.get(names.over)!.get(step)!]
  return median(of.map((one, pair) => value(one) / value(over[pair]!)))
}

/** A warehouse of any size at little cost: relation files that the catalogs do not know, all links to the same gigabyte. */
async function idle(options: CompareOptions, [small, large]: readonly [number, number]): Promise<Ratio> {
  const [quick, slow] = [await idleSeconds(options, small), await idleSeconds(options, large)]
  options.log(`nothing changed: ${quick.toFixed(2)} s at ${small} GB, ${slow.toFixed(2)} s at ${large} GB`)
  return {
    what: `nothing changed: time at ${large} GB ÷ time at ${small} GB`,
    value: slow / quick,
    limit: { atMost: 1.2 },
    timed: true,
  }
}

async function idleSeconds(options: CompareOptions, gigabytes: number): Promise<number> {
  await using scratch = await scratchFolder()
  await using server = await serverWith(18, { ...options, gigabytes: Math.min(1, gigabytes) })
  const [{ folder } = { folder: '' }] = await server.psql<{ folder: string }>(
    `select regexp_replace(pg_relation_filepath('sales'), '/[^/]*$', '') as folder`,
  )
  const home = folderFor(server, server.dataDirectory, folder)
  const largest = readdirSync(home)
    .map((name) => join(home, name))
    .reduce((one, other) => (statSync(one).size >= statSync(other).size ? one : other))
  const copy = join(home, '900000')
  copyFileSync(largest, copy)
  const links = Math.max(0, Math.round(((gigabytes - Math.min(1, gigabytes)) * 1e9) / statSync(copy).size) - 1)
  for (let link = 1; link <= links; link++) linkSync(copy, join(home, String(900_000 + link)))
  const wharf = await wharfinger(server, join(scratch.path, 'wharf'))
  await wharf.backup('full')
  const seconds: number[] = []
  for (let round = 0; round < options.rounds; round++) {
    options.signal?.throwIfAborted()
    seconds.push((await once('nothing changed', wharf, options)).seconds)
  }
  return median(seconds)
}
