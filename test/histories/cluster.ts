// The warehouse of one random history: one server at a time, which crashes, restarts and hands over to a standby; one archive, one repository.
import { execFile } from 'node:child_process'
import { chownSync } from 'node:fs'
import { appendFile, readFile, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { takeBackup } from '../../src/backup/engine/take.ts'
import type { TakeOptions } from '../../src/backup/engine/options.ts'
import { diskFiles } from '../../src/backup/source/disk.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { BackupKind, Repository } from '../../src/repository/contract.ts'
import { parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { parseHistory } from '../../src/wal/timelines.ts'
import { ArchiveReceiver } from '../backup/archive-receiver.ts'
import { makeFolder, makeRepository, openTestWarehouse, takeDefaults, withArrays, type Taken } from '../backup/world.ts'
import { scratchFolder, startServer, type Major, type TestServer } from '../support/postgres.ts'

const signal = new AbortController().signal
const run = promisify(execFile)

export interface ClusterOptions {
  readonly major: Major
  readonly checksums: boolean
  readonly walSegmentMegabytes: number
  readonly settings: Readonly<Record<string, string>>
}

export class HistoryCluster implements AsyncDisposable {
  readonly folder: string
  readonly repository: Repository
  readonly archive: string
  server: TestServer
  timeline = 1
  standby: TestServer | undefined
  private readonly scope: AsyncDisposableStack
  private readonly receiving: ArchiveReceiver
  private folders = 0

  private constructor(parts: {
    scope: AsyncDisposableStack
    folder: string
    archive: string
    server: TestServer
    repository: Repository
    facts: { systemIdentifier: bigint; walSegmentBytes: number }
  }) {
    this.scope = parts.scope
    this.folder = parts.folder
    this.archive = parts.archive
    this.server = parts.server
    this.repository = parts.repository
    const current = (): TestServer => this.server
    this.receiving = new ArchiveReceiver({
      server: { major: parts.server.major, psql: (sql, database) => current().psql(sql, database) },
      archive: parts.archive,
      repository: parts.repository,
      ...parts.facts,
    })
  }

  static async start(options: ClusterOptions): Promise<HistoryCluster> {
    const scope = new AsyncDisposableStack()
    const { path: folder } = scope.use(await scratchFolder())
    const archive = join(folder, 'archive')
    const server = await startServer({
      major: options.major,
      checksums: options.checksums,
      walSegmentMegabytes: options.walSegmentMegabytes,
      allowInPlaceTablespaces: true,
      settings: {
        archive_mode: 'on',
        archive_command: archiveCommand(archive),
        autovacuum_naptime: '1s',
        max_prepared_transactions: '10',
        wal_keep_size: '1GB',
        hot_standby: 'on',
        ...options.settings,
      },
    })
    await makeFolder({ folder, server }, 'archive')
    const repository = await makeRepository(join(folder, 'repository'))
    const facts = await openTestWarehouse(server.url, folder).facts(signal)
    return new HistoryCluster({ scope, folder, archive, server, repository, facts })
  }

  /** The backup with its lists as arrays. */
  async take(kind: BackupKind, more: Partial<TakeOptions> = {}): Promise<Taken> {
    const warehouse = openTestWarehouse(this.server.url, this.folder)
    const { repository, receiving } = this
    const defaults = takeDefaults({ warehouse, repository, receiving })
    return withArrays(await takeBackup({ ...defaults, files: diskFiles, kind, ...more }))
  }

  /** Until all WAL that there is now is in the repository. */
  async archiveAll(): Promise<void> {
    const [row] = await this.server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
    await this.receiving.waitUntilDurable({ timeline: this.timeline, lsn: parseLsn(row!.lsn) }, signal)
  }

  async newFolder(): Promise<string> {
    return await makeFolder(this, `space ${++this.folders}`)
  }

  async crash(): Promise<void> {
    await this.server.kill9()
    await this.server.start()
  }

  async restart(mode: 'fast' | 'immediate', settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.server.stop(mode)
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
    await appendFile(join(this.server.dataDirectory, 'postgresql.conf'), lines.join(''))
    await this.server.start()
  }

  /** A streaming standby, laid out with PostgreSQL's own backup mode and `cp`: none of our code has touched it. */
  async addStandby(): Promise<void> {
    const data = join(this.folder, `standby-${++this.folders}`)
    await using session = await this.server.connect()
    await session.query(`select pg_backup_start('standby', true)`)
    // Files may go while they are copied: WAL makes up for it.
    await run('cp', ['-a', this.server.dataDirectory, data]).catch(() => {})
    await this.moveTablespaces(data)
    const { rows } = await session.query<{ label: string }>('select labelfile as label from pg_backup_stop(false)')
    for (const name of ['postmaster.pid', 'postmaster.opts']) await rm(join(data, name), { force: true })
    await this.write(join(data, 'backup_label'), rows[0]!.label)
    await this.write(join(data, 'standby.signal'), '')
    const upstream = `primary_conninfo = 'host=127.0.0.1 port=${this.server.port} user=postgres'\narchive_mode = always\n`
    await appendFile(join(data, 'postgresql.conf'), upstream)
    this.standby = await startServer({ major: this.server.major, dataDirectory: data, startTimeoutMs: 120_000 })
  }

  /** The standby takes over. `clean`: it has got everything; else the old server is killed at once, and what it had not sent yet is lost. */
  async promote(clean: boolean): Promise<Lsn> {
    const { standby, server } = this
    if (!standby) throw new Error('there is no standby')
    if (clean) await server.stop('fast')
    else await server.kill9()
    await standby.psql('select pg_promote(true, 120)')
    while ((await standby.psql<{ on: boolean }>('select pg_is_in_recovery() as on'))[0]!.on) await systemClock.sleep(20)
    this.server = standby
    this.standby = undefined
    this.timeline++
    await server[Symbol.asyncDispose]()
    await rm(server.dataDirectory, { recursive: true, force: true })
    const name = `${this.timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
    const content = await readFile(join(this.server.dataDirectory, 'pg_wal', name), 'utf8')
    return parseHistory(this.timeline, content).at(-1)!.switchLsn
  }

  async caughtUp(): Promise<void> {
    const [at] = await this.server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
    for (;;) {
      const [row] = await this.standby!.psql<{ done: boolean }>(
        `select pg_last_wal_replay_lsn() >= '${at!.lsn}' as done`,
      )
      if (row!.done) return
      await systemClock.sleep(20)
    }
  }

  /** Links of a copied data directory lead to the original's tablespaces: they get copies of their own. */
  private async moveTablespaces(data: string): Promise<void> {
    for (const entry of await readdir(join(data, 'pg_tblspc'), { withFileTypes: true })) {
      if (!entry.isSymbolicLink()) continue
      const link = join(data, 'pg_tblspc', entry.name)
      const own = join(this.folder, `space-${++this.folders}`)
      await run('cp', ['-a', await readlink(link), own]).catch(() => {})
      await rm(link)
      await symlink(own, link)
    }
  }

  private async write(path: string, content: string): Promise<void> {
    await writeFile(path, content, { mode: 0o600 })
    const { account } = this.server
    if (account) chownSync(path, account.uid, account.gid)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.standby?.[Symbol.asyncDispose]()
    await this.server[Symbol.asyncDispose]()
    await this.scope.disposeAsync()
  }
}

/** Two servers may archive the same segment: whole files only, and equal ones are fine. */
function archiveCommand(archive: string): string {
  const file = `${archive}/%f`
  return `(test -f ${file} && cmp -s %p ${file}) || (test ! -f ${file} && cp %p ${file}.tmp$$ && mv ${file}.tmp$$ ${file})`
}
