// Synchronous receiving under kills: server and receiver die at random under load, the receiver's spool is completed into the repository with the server
// still down, and a standby that gets its WAL from the repository alone must have every commit that a client was told of.
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { openedMember } from '../../src/backup/receiver/members.ts'
import { completeSpool } from '../../src/backup/receiver/spool/complete.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import type { Repository } from '../../src/repository/contract.ts'
import { formatLsn } from '../../src/wal/lsn.ts'
import { segmentName, segmentStart } from '../../src/wal/segments.ts'
import { makeRepository } from '../backup/world.ts'
import { scratchFolder, startServer, type Major, type TestServer } from '../support/postgres.ts'

const SEGMENT = 1 << 20
const SLOT = 'wharf_retail'
const CLIENTS = 3
const never = new AbortController().signal

export interface SyncKillOptions {
  readonly seed: number
  readonly from: number
  readonly to: number
  readonly major: Major
  readonly signal: AbortSignal
  done(cases: number, failure?: string): void
  log(line: string): void
}

export async function runSyncKills(
  options: SyncKillOptions,
): Promise<{ run: number; failed: number; commits: number }> {
  await using world = await SyncWorld.open(options.major)
  let run = 0
  let failed = 0
  for (let n = options.from; n < options.to && !options.signal.aborted; n++) {
    const random = seededRandom(options.seed * 100_003 + n)
    let failure: string | undefined
    try {
      await world.kill(random)
    } catch (error) {
      failure = `case ${n}: ${error instanceof Error ? error.message : String(error)}`
      failed++
    }
    run++
    options.done(n + 1, failure)
  }
  return { run, failed, commits: world.acknowledged.size }
}

class SyncWorld implements AsyncDisposable {
  /** Ids whose COMMIT was answered. */
  readonly acknowledged = new Set<number>()
  private readonly scope: AsyncDisposableStack
  private readonly server: TestServer
  private readonly standby: TestServer
  private readonly repository: Repository
  private readonly folders: { repository: string; spool: string; wal: string }
  private systemIdentifier = 0n
  private next = 0
  private shown = 0n

  private constructor(parts: {
    scope: AsyncDisposableStack
    server: TestServer
    standby: TestServer
    repository: Repository
    folders: SyncWorld['folders']
  }) {
    this.scope = parts.scope
    this.server = parts.server
    this.standby = parts.standby
    this.repository = parts.repository
    this.folders = parts.folders
  }

  static async open(major: Major): Promise<SyncWorld> {
    await using cleanup = new AsyncDisposableStack()
    const scratch = cleanup.use(await scratchFolder())
    const folders = {
      repository: join(scratch.path, 'repository'),
      spool: join(scratch.path, 'spool'),
      wal: join(scratch.path, 'wal'),
    }
    mkdirSync(folders.wal, { mode: 0o755 })
    const repository = await makeRepository(folders.repository)
    const server = cleanup.use(
      await startServer({
        major,
        walSegmentMegabytes: SEGMENT >> 20,
        settings: { wal_keep_size: '1GB', synchronous_standby_names: `ANY 1 (${SLOT})`, synchronous_commit: 'local' },
        start: false,
      }),
    )
    // The standby is a copy of the cluster before it was ever started.
    const copy = join(scratch.path, 'standby')
    cpSync(server.dataDirectory, copy, { recursive: true })
    own(copy, server)
    chmodSync(copy, 0o700)
    await server.start()
    const standby = cleanup.use(await standbyOn(copy, { server, wal: folders.wal }))
    const world = new SyncWorld({ scope: cleanup.move(), server, standby, repository, folders })
    await world.prepare()
    return world
  }

  private async prepare(): Promise<void> {
    await this.server.psql('CREATE TABLE said (id int PRIMARY KEY, t text)')
    const [row] = await this.server.psql<{ id: string }>(
      'SELECT system_identifier::text AS id FROM pg_control_system()',
    )
    this.systemIdentifier = BigInt(row!.id)
    // What was written before anybody received it.
    const receiver = this.receiver()
    for (;;) {
      const [slot] = await this.server.psql<{ lsn: string | null }>(
        `SELECT restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = '${SLOT}' AND active`,
      )
      if (slot?.lsn) break
      await delay(50)
    }
    const from = join(this.server.dataDirectory, 'pg_wal')
    const [range] = await this.ranges()
    for (const name of readdirSync(from)) {
      const isEarlier = range === undefined || name < segmentName(1, range.startLsn, SEGMENT)
      if (/^[0-9A-F]{24}$/.test(name) && isEarlier)
        this.show(name, () => cpSync(join(from, name), join(this.folders.wal, 'new')))
    }
    await this.server.psql("ALTER SYSTEM SET synchronous_commit = 'on'")
    await this.server.psql('SELECT pg_reload_conf()')
    await kill9(receiver)
  }

  /** One case: a load, a kill, completion with the server down, and the proof. */
  async kill(random: Random): Promise<void> {
    if ((await this.server.pid()) === 0) await this.server.start()
    const receiver = this.receiver()
    const stop = new AbortController()
    const before = this.acknowledged.size
    const loads = Array.from({ length: CLIENTS }, () => this.load(stop.signal))
    while (this.acknowledged.size < before + 5) await delay(5)
    await delay(random.integer(700))
    const victims = (['both', 'both', 'receiver first', 'server first'] as const)[random.integer(4)]!
    if (victims === 'both') await Promise.all([kill9(receiver), this.server.kill9()])
    else if (victims === 'receiver first') {
      await kill9(receiver)
      await delay(random.integer(50))
      await this.server.kill9()
    } else {
      await this.server.kill9()
      await delay(random.integer(50))
      await kill9(receiver)
    }
    stop.abort()
    await Promise.all(loads)
    await completeSpool(this.folders.spool, [openedMember(this.repository)], never)
    await this.prove()
  }

  private async load(signal: AbortSignal): Promise<void> {
    try {
      await using client = await this.server.connect()
      while (!signal.aborted) {
        const id = ++this.next
        await client.query(`INSERT INTO said VALUES (${id}, repeat(md5('${id}'), ${1 + (id % 40)}))`)
        this.acknowledged.add(id)
      }
    } catch {
      // Killed: the last one was not answered.
    }
  }

  private async prove(): Promise<void> {
    await this.showNewWal()
    let missing: number[] = []
    for (let tries = 0; tries < 600; tries++) {
      const rows = await this.standby.psql<{ id: number }>('SELECT id FROM said').catch(() => [])
      const there = new Set(rows.map((row) => row.id))
      missing = [...this.acknowledged].filter((id) => !there.has(id))
      if (missing.length === 0) return
      await delay(100)
    }
    const [range] = await this.ranges()
    assert.fail(
      `${missing.length} acknowledged commits are lost, the first ${missing[0]}; WAL ends at ${formatLsn(range!.endLsn)}`,
    )
  }

  private async ranges() {
    const ranges = await this.repository.wal.ranges(this.systemIdentifier, never)
    assert.ok(ranges.length <= 1, 'no holes')
    return ranges
  }

  /** Segments of the repository that have grown, where the standby looks for them. */
  private async showNewWal(): Promise<void> {
    const [range] = await this.ranges()
    let at = segmentStart(this.shown > range!.startLsn ? this.shown : range!.startLsn, SEGMENT)
    for (; at < range!.endLsn; at += BigInt(SEGMENT)) {
      const name = segmentName(1, at, SEGMENT)
      const found = await this.repository.wal.segment(this.systemIdentifier, name, never)
      this.show(name, (path) => writeFileSync(path, found!.bytes))
    }
    this.shown = range!.endLsn
  }

  private show(name: string, write: (path: string) => void): void {
    const path = join(this.folders.wal, 'new')
    write(path)
    chmodSync(path, 0o644)
    renameSync(path, join(this.folders.wal, name))
  }

  private receiver(): ChildProcess {
    return fork(
      new URL('receiver-child.ts', import.meta.url),
      [this.server.url, this.folders.repository, this.folders.spool],
      { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.scope.disposeAsync()
  }
}

/** A standby that knows nothing but a folder of WAL. */
async function standbyOn(copy: string, of: { server: TestServer; wal: string }): Promise<TestServer> {
  writeFileSync(join(copy, 'standby.signal'), '')
  const settings = {
    restore_command: `cp ${of.wal}/%f %p`,
    wal_retrieve_retry_interval: '200ms',
    synchronous_standby_names: '',
    hot_standby: 'on',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
  appendFileSync(join(copy, 'postgresql.conf'), lines.join(''))
  own(copy, of.server)
  assert.ok(existsSync(join(copy, 'PG_VERSION')))
  return await startServer({ major: of.server.major, dataDirectory: copy })
}

function own(path: string, { account }: TestServer): void {
  if (!account) return
  for (const name of ['.', ...readdirSync(path, { recursive: true, encoding: 'utf8' })])
    chownSync(join(path, name), account.uid, account.gid)
}

async function kill9(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}
