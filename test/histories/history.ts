// One random history: works, backups of random kinds (with work going on), crashes, promotions, spans of wal_level minimal; then every backup is
// recovered to its own end and to a random later point, and compared with what a client of the running server saw there.
import { strict as assert } from 'node:assert'
import { rm } from 'node:fs/promises'

import { diskFiles } from '../../src/backup/source/disk.ts'
import type { ClusterFiles } from '../../src/backup/source/cluster-files.ts'
import { CONTROL_FILE } from '../../src/backup/source/exclusions.ts'
import type { TierRule } from '../../src/backup/plan/tiers.ts'
import type { Random } from '../../src/base/random.ts'
import { DAY_MS } from '../../src/base/units.ts'
import type { Manifest } from '../../src/repository/contract.ts'
import { parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { reconstruct } from '../backup/reconstruct.ts'
import { complaintsOf } from '../backup/truth.ts'
import { recover, type Wishes } from '../restore/recovered.ts'
import { majors, type TestServer } from '../support/postgres.ts'
import { HistoryCluster } from './cluster.ts'
import { truthOf, visibilityComplaintsOf } from './truth.ts'
import { pick, schema, someWork, type Ledger, type Work } from './works.ts'

interface Moment {
  readonly what: string
  readonly lsn: Lsn
  readonly timeline: number
  /** Moments of one era can be reached from each other's backups: no WAL is missing between them. */
  readonly era: number
  readonly wishes: Wishes
  readonly truth: Record<string, string>
}

interface Taken {
  readonly manifest: Manifest
  readonly era: number
  readonly truth: Record<string, string>
}

const events = ['crash', 'immediate', 'promotion', 'loss', 'space', 'minimal', 'open transaction', 'crash'] as const
type EventKind = (typeof events)[number]

/** Throws what differs. `number` chooses version and main event, so that a row of numbers covers them all. `log` gets each step. */
export async function runHistory(random: Random, number: number, log: (line: string) => void): Promise<void> {
  await using cluster = await HistoryCluster.start({
    major: majors[number % majors.length]!,
    checksums: random.integer(4) > 0,
    walSegmentMegabytes: pick(random, [1, 1, 4, 16]),
    settings: {
      wal_level: pick(random, ['replica', 'logical']),
      wal_log_hints: pick(random, ['on', 'off']),
      full_page_writes: pick(random, ['on', 'on', 'off']),
      wal_compression: pick(random, ['on', 'off']),
    },
  })
  const history = new History(cluster, random, log)
  history.defers = random.integer(2) === 0
  await history.live(events[Math.floor(number / majors.length) % events.length]!)
  await history.judge()
}

/** The table of a complaint about a TOAST value that is missing; undefined for any other. */
const tableWithoutValue = (complaint: string): string | undefined =>
  /^(.*) block \d+ offset \d+: toast value \d+ not found in toast table$/.exec(complaint)?.[1]

class History {
  private readonly cluster: HistoryCluster
  private readonly random: Random
  private readonly log: (line: string) => void
  private readonly ledger: Ledger = { step: 0, databases: [], spaces: [], prepared: [] }
  private readonly backups: Taken[] = []
  /** Whether reading is deferred, of all that may be: by each backup until some later one. */
  defers = false
  private moments: Moment[] = []
  private era = 0

  constructor(cluster: HistoryCluster, random: Random, log: (line: string) => void) {
    this.cluster = cluster
    this.random = random
    this.log = log
  }

  async live(main: EventKind): Promise<void> {
    await this.work({ what: 'schema', statements: schema })
    await this.some(2)
    await this.backup('full')
    await this.some(3)
    if (this.random.integer(3) === 0) await this.backup(pick(this.random, ['incremental', 'differential']))
    await this.some(2)
    await this.event(main)
    await this.some(2)
    await this.backup(pick(this.random, ['incremental', 'incremental', 'differential']))
    await this.some(3)
    if (this.random.integer(3) === 0) await this.event(pick(this.random, events))
    await this.some(1)
    await this.backup('incremental')
    await this.some(2)
    await this.moment()
    await this.cluster.archiveAll()
  }

  async judge(): Promise<void> {
    for (const [index, backup] of this.backups.entries()) {
      const { id, stopLsn, timeline, kind } = backup.manifest
      const what = `${kind} ${index} (${id})`
      await this.judgeOwnEnd(backup, `${what} at its own end`)
      const later = this.moments.filter((one) => one.era === backup.era && one.lsn >= stopLsn)
      if (later.length === 0) continue
      const moment = pick(this.random, later)
      // A backup of a timeline that was left after it is reached by no later moment.
      if (moment.timeline > timeline && !this.leadsOn(backup)) continue
      const verify = pick(this.random, ['connect', 'checksums', 'full'] as const)
      await this.judgeLater({ ...moment.wishes, backup: id, verify, workers: 1 }, `${what} at ${moment.what}`, moment)
    }
  }

  /** Laid out by the test's own reader: what the backup room has stored, with PostgreSQL's own replay up to the first consistent point. */
  private async judgeOwnEnd({ manifest, truth }: Taken, what: string): Promise<void> {
    this.log(`restoring ${what}`)
    const { cluster } = this
    const folder = await cluster.newFolder()
    try {
      await using restored = await reconstruct({
        repository: cluster.repository,
        id: manifest.id,
        major: cluster.server.major,
        folder,
        archive: cluster.archive,
        owner: cluster.server.account,
        settings: {
          recovery_target: 'immediate',
          recovery_target_action: 'promote',
          recovery_target_timeline: 'current',
        },
      })
      assert.deepEqual(await truthOf(restored), truth, what)
      if (this.random.integer(2) === 0) await this.inspect(restored, what)
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** Whether the newest timeline goes through the end of a backup. */
  private leadsOn({ manifest }: Taken): boolean {
    return !this.switches.some(({ timeline, lsn }) => timeline > manifest.timeline && lsn < manifest.stopLsn)
  }

  private readonly switches: { timeline: number; lsn: Lsn }[] = []

  /** The product's own recovery. */
  private async judgeLater(wishes: Wishes, what: string, { truth }: Moment): Promise<void> {
    this.log(`recovering ${what} (${wishes.verify})`)
    let directory: string | undefined
    try {
      await using recovered = await recover(this.cluster, wishes)
      directory = recovered.directory
      assert.deepEqual(await truthOf(recovered.asServer), truth, what)
      await this.inspect(recovered.asServer, what)
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    } finally {
      if (directory !== undefined) await rm(directory, { recursive: true, force: true })
    }
  }

  private async inspect(server: TestServer, what: string): Promise<void> {
    const complaints = (await complaintsOf(server)).filter(
      (one) => !this.deadValues.has(tableWithoutValue(one) ?? 'other'),
    )
    assert.deepEqual(complaints, [], `amcheck: ${what}`)
    assert.deepEqual(await visibilityComplaintsOf(server), [], `visibility: ${what}`)
  }

  // ------------------------------------------------------------ what happens

  private async some(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.work(someWork(this.random, this.ledger))
    if (this.random.integer(3) === 0) await this.moment()
  }

  private async work({ what, statements, database }: Work): Promise<void> {
    this.log(what)
    await using client = await this.cluster.server.connect(database)
    for (const statement of statements) {
      await client.query(statement).catch((error: Error) => {
        throw new Error(`the work itself failed (${statement.slice(0, 200)}): ${error.message}`, { cause: error })
      })
    }
  }

  /** Work is done after the listing, and again right before the control file is read. */
  private async backup(kind: 'full' | 'differential' | 'incremental'): Promise<void> {
    this.log(`backup ${kind}`)
    const busy = this.random.integer(3)
    const works = Array.from({ length: busy }, () => someWork(this.random, this.ledger))
    let late: Work | undefined = works.pop()
    const doWork = (work: Work): Promise<void> => this.work(work)
    const files = (directory: string): ClusterFiles => {
      const disk = diskFiles(directory)
      return {
        ...disk,
        list: async function* (options) {
          const entries = await Array.fromAsync(disk.list(options))
          for (const work of works) await doWork(work)
          yield* entries
        },
        read: async (path, at) => {
          // It is read twice: first to know the server, and last.
          if (path === CONTROL_FILE && late !== undefined && this.copying) {
            const now = late
            late = undefined
            await this.work(now)
          }
          return await disk.read(path, at)
        },
      }
    }
    this.copying = false
    const report = ({ phase }: { phase: string }): void => {
      if (phase === 'stopping') this.copying = true
    }
    const defer = pick(this.random, [7 * DAY_MS, 7 * DAY_MS, 1])
    const tiers: readonly TierRule[] = this.defers ? [{ match: {}, tier: 'standard', defer }] : []
    const { manifest, notes } = await this.cluster.take(kind, { files, report, workers: 1, tiers })
    for (const note of notes) this.log(`note: ${note}`)
    if (manifest.olderImages.length > 0)
      this.log(`deferred: ${manifest.statistics.deferredBytes} bytes of ${manifest.olderImages.length} backups`)
    if (late !== undefined) await this.work(late)
    assert.deepEqual(manifest.corrupt, [])
    this.backups.push({ manifest, era: this.era, truth: late === undefined ? await truthOf(this.cluster.server) : {} })
  }

  private copying = false

  /**
   * Tables of which amcheck misses TOAST values on the server itself that is backed up: those of dead rows, which went before the rows (seen on 15 beside a prepared
   * transaction). The values of living rows are compared with the truth.
   */
  private readonly deadValues = new Set<string>()

  private async moment(): Promise<void> {
    const { server, timeline } = this.cluster
    const truth = await truthOf(server)
    for (const one of await complaintsOf(server)) {
      const table = tableWithoutValue(one)
      if (table !== undefined) this.deadValues.add(table)
    }
    const name = `moment ${this.moments.length}-${this.era}`
    const isNamed = this.random.integer(2) === 0
    const sql = isNamed ? `pg_create_restore_point('${name}')` : 'pg_current_wal_insert_lsn()'
    const [row] = await server.psql<{ lsn: string }>(`select ${sql}::text as lsn`)
    // Neither of the two flushes WAL: a crash right after would take the moment away.
    await server.psql(`select pg_logical_emit_message(true, 'test', 'flush')`)
    const wishes: Wishes = isNamed ? { name } : { lsn: row!.lsn }
    const what = isNamed ? name : `LSN ${row!.lsn}`
    this.moments.push({ what, lsn: parseLsn(row!.lsn), timeline, era: this.era, wishes, truth })
  }

  private async event(kind: EventKind): Promise<void> {
    const { cluster, random } = this
    this.log(`event: ${kind}`)
    switch (kind) {
      case 'crash':
        return await cluster.crash()
      case 'immediate':
        return await cluster.restart('immediate')
      case 'space':
        return await this.newSpace()
      case 'minimal':
        return await this.minimalSpan()
      case 'open transaction':
        return await this.openTransaction()
      default:
    }
    await cluster.addStandby()
    await this.some(random.integer(3))
    if (kind === 'loss') await cluster.archiveAll()
    await cluster.caughtUp()
    if (kind === 'loss') await this.work(someWork(random, this.ledger))
    const switchLsn = await cluster.promote(kind === 'promotion')
    this.switches.push({ timeline: cluster.timeline, lsn: switchLsn })
    this.moments = this.moments.filter((one) => one.lsn <= switchLsn)
    // What the old server did last may be lost, and with it what the ledger believes.
    await this.readLedger()
  }

  private async newSpace(): Promise<void> {
    const name = `space_${this.ledger.step}_${this.random.integer(1000)}`
    const location = this.random.integer(3) === 0 ? '' : await this.cluster.newFolder()
    await this.work({ what: 'tablespace', statements: [`create tablespace ${name} location '${location}'`] })
    this.ledger.spaces.push(name)
    await this.some(2)
  }

  /** A table is filled without WAL. What was stored before leads to nothing that comes after. */
  private async minimalSpan(): Promise<void> {
    await this.moment()
    await this.cluster.archiveAll()
    await this.cluster.restart('fast', { wal_level: 'minimal', archive_mode: 'off', max_wal_senders: '0' })
    const fill = `insert into quick select g from generate_series(1, 30000) g`
    await this.work({
      what: 'without WAL',
      statements: ['begin', 'create table if not exists quick (id int)', 'truncate quick', fill, 'commit'],
    })
    // Works only: there are no restore points at this level.
    await this.work(someWork(this.random, this.ledger))
    await this.cluster.restart('fast', { wal_level: 'replica', archive_mode: 'on', max_wal_senders: '10' })
    this.era++
  }

  /** A client that has written much and not committed is there while the next backup is taken; the server ends it with the next crash. */
  private async openTransaction(): Promise<void> {
    await using client = await this.cluster.server.connect()
    await client.query('begin')
    await client.query(`insert into part select g, date '2026-01-05', 'open' from generate_series(1, 3000) g`)
    await this.backup('incremental')
    await client.query(this.random.integer(2) === 0 ? 'commit' : 'rollback')
  }

  private async readLedger(): Promise<void> {
    const list = async (sql: string): Promise<string[]> =>
      (await this.cluster.server.psql<{ name: string }>(sql)).map((row) => row.name)
    const into = (target: string[], names: readonly string[]): void => void target.splice(0, target.length, ...names)
    into(
      this.ledger.databases,
      await list(`select datname as name from pg_database where datname like 'db\\_%' order by 1`),
    )
    into(
      this.ledger.spaces,
      await list(`select spcname as name from pg_tablespace where spcname like 'space\\_%' order by 1`),
    )
    into(this.ledger.prepared, await list('select gid as name from pg_prepared_xacts order by 1'))
  }
}
