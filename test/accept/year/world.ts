// The warehouse of the year: a real server, the real engine, a repository whose clock moves.
import { chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { takeBackup } from '../../../src/backup/engine/take.ts'
import { retentionSchema, rulesOf } from '../../../src/backup/retention/config.ts'
import { survey } from '../../../src/backup/retention/survey.ts'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { seededRandom, type Random } from '../../../src/base/random.ts'
import type { BackupSummary, Repository } from '../../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../../src/repository/open.ts'
import { makePruneKey, markExpired, sweepExpired, trimPacks, type RootCache } from '../../../src/repository/prune.ts'
import { openStore } from '../../../src/repository/stores.ts'
import { segmentName } from '../../../src/wal/segments.ts'
import { ArchiveReceiver } from '../../backup/archive-receiver.ts'
import { reconstruct } from '../../backup/reconstruct.ts'
import { contentsOf } from '../../backup/truth.ts'
import { openTestWarehouse, takeDefaults } from '../../backup/world.ts'
import { ClockedStore, type MovedClock } from '../../support/clocked-store.ts'
import { scratchFolder, startServer, type TestServer } from '../../support/postgres.ts'

const signal = new AbortController().signal
const MAJOR = 18
const DAY = 86_400_000
const RETENTION = retentionSchema.parse({ gfs: { daily: 14, weekly: 8, monthly: 12 }, window: '2d', grace: '1d' })!

export interface Year extends AsyncDisposable {
  readonly repository: Repository
  /** One day of work, the backup, expiry. The id of the backup. */
  night(number: number): Promise<string>
  /** Restores it; what differs from the truth of its night. */
  compare(id: string): Promise<string | undefined>
  backups(): Promise<readonly BackupSummary[]>
  /** Bytes that backups read since the last call. */
  takeReadBytes(): number
}

export async function openYear(seed: number): Promise<Year> {
  const scope = new AsyncDisposableStack()
  const scratch = scope.use(await scratchFolder())
  const folder = scratch.path
  const archive = join(folder, 'archive')
  const server = scope.use(
    await startServer({
      major: MAJOR,
      checksums: true,
      settings: {
        archive_mode: 'on',
        archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`,
        autovacuum_naptime: '5s',
        shared_buffers: '64MB',
      },
    }),
  )
  const own = async (path: string): Promise<void> => {
    await mkdir(path, { mode: 0o700 })
    if (server.account) await chown(path, server.account.uid, server.account.gid)
  }
  await own(archive)
  const clock: MovedClock = { nowMs: Date.UTC(2027, 0, 1, 2), times: new Map() }
  const repository = await makeRepository(join(folder, 'repository'), clock)
  scope.defer(() => repository.close())
  const warehouse = openTestWarehouse(server.url, folder)
  const facts = await warehouse.facts(signal)
  const receiving = new ArchiveReceiver({ server, archive, repository, ...facts })
  const key = await makePruneKey(repository, { by: 'passphrase', passphrase: 'prune', scryptCost: 1024 }, signal)
  const random = seededRandom(seed)
  await fill(server)
  const moved: Clock = { ...systemClock, now: () => clock.nowMs }
  const truths = new Map<string, string>()
  const cache: RootCache = new Map()
  let readBytes = 0

  const expire = async (): Promise<void> => {
    const found = await survey(repository, { warehouse: 'retail', rules: rulesOf(RETENTION), moreHolds: [] }, signal)
    if (found.notes.length > 0) throw new Error(found.notes.join('; '))
    const backups = found.decision.expired.map(({ id }) => ({ warehouse: 'retail', id }))
    const request = { backups, wal: found.wal.map((one) => one.object), reason: 'policy', graceMs: RETENTION.grace }
    await markExpired(repository, request, { key, signal, cache })
    await sweepExpired(repository, { key, signal, cache, held: async () => new Set<string>() })
    await trimPacks(repository, { graceMs: RETENTION.grace }, { key, signal, cache })
  }

  return {
    repository,
    night: async (number) => {
      await dayOfWork(server, number, random)
      const { manifest } = await takeBackup({
        ...takeDefaults({ warehouse, repository, receiving }),
        kind: number === 1 ? 'full' : 'incremental',
        clock: moved,
        signal,
      })
      readBytes += manifest.statistics.readBytes
      truths.set(manifest.id, JSON.stringify(await contentsOf(server)))
      // Threads put packs with the clock of this machine.
      for await (const { name } of repository.store.list('packs/', { signal }))
        if (!clock.times.has(name)) clock.times.set(name, clock.nowMs)
      for (const name of (await readdir(archive)).toSorted().slice(0, -3)) await rm(join(archive, name))
      clock.nowMs += DAY
      await expire()
      return manifest.id
    },
    compare: async (id) => {
      const target = join(folder, `restored-${id}`)
      const kept = join(folder, `wal-${id}`)
      await own(target)
      await own(kept)
      try {
        await bringWal(repository, id, kept)
        await using restored = await reconstruct({
          repository,
          id,
          major: MAJOR,
          folder: target,
          archive: kept,
          owner: server.account,
          settings: { recovery_target: 'immediate', recovery_target_action: 'promote' },
        })
        const found = JSON.stringify(await contentsOf(restored))
        return found === truths.get(id) ? undefined : `${found} instead of ${truths.get(id)}`
      } finally {
        await rm(target, { recursive: true, force: true })
        await rm(kept, { recursive: true, force: true })
      }
    },
    backups: () => repository.listBackups(signal),
    takeReadBytes: () => {
      const bytes = readBytes
      readBytes = 0
      return bytes
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

async function makeRepository(path: string, clock: MovedClock): Promise<Repository> {
  await mkdir(path)
  const store = new ClockedStore(await openStore({ kind: 'file', path }), clock)
  const unlock = { by: 'passphrase', passphrase: 'correct horse', scryptCost: 1024 } as const
  await initRepository({ store, unlock, signal })
  return await openRepository({ name: 'r', store, unlock, clock: systemClock, holder: 'test', signal })
}

/** WAL from the repository, not from the server's archive: what expiry left must be enough. */
async function bringWal(repository: Repository, id: string, into: string): Promise<void> {
  const { timeline, replayFromLsn, stopLsn, walSegmentBytes, systemIdentifier } = await repository.readManifest(
    id,
    signal,
  )
  const size = BigInt(walSegmentBytes)
  for (let at = replayFromLsn - (replayFromLsn % size); at <= stopLsn; at += size) {
    const name = segmentName(timeline, at, walSegmentBytes)
    const segment = await repository.wal.segment(systemIdentifier, name, signal)
    if (segment) await writeFile(join(into, name), segment.bytes, { mode: 0o644 })
  }
}

const monthOf = (night: number): number => Math.floor(night / 30)

async function fill(server: TestServer): Promise<void> {
  await server.psql(`create table facts (id bigint, day int, amount bigint, note text) partition by range (day)`)
  for (let month = 0; month <= 14; month++)
    await server.psql(
      `create table facts_${month} partition of facts for values from (${month * 30}) to (${month * 30 + 30}) with (fillfactor = 90)`,
    )
  await server.psql(`create index on facts (id)`)
  await server.psql(`create table dimension (id int primary key, changes int, body text) with (fillfactor = 80)`)
  await server.psql(
    `insert into dimension select n, 0, md5(n::text) || md5((n * 7)::text) || repeat('plain text ', 20) from generate_series(1, 50000) n`,
  )
  await server.psql(
    `create table hot as select n as id, 0 as changes, md5(n::text) as body from generate_series(1, 2000) n`,
  )
  await server.psql('vacuum (freeze, analyze)')
}

/** New facts; some of the last week's change or go; a part of the dimension changes; once a month a partition is frozen and an old one dropped. */
async function dayOfWork(server: TestServer, night: number, random: Random): Promise<void> {
  const salt = random.integer(1_000_000)
  await server.psql(`insert into facts select ${night} * 10000 + n, ${night}, n, md5((n::bigint * ${salt})::text) || repeat(' as ordered', 8)
    from generate_series(1, 3000) n`)
  await server.psql(
    `update facts set amount = amount + 1 where day between ${night - 7} and ${night} and (id + ${salt}) % 23 = 0`,
  )
  await server.psql(`delete from facts where day between ${night - 7} and ${night - 1} and (id + ${salt}) % 211 = 0`)
  await server.psql(`update dimension set changes = changes + 1 where (id::bigint * 7919 + ${salt}) % 200 = 0`)
  await server.psql(`update hot set changes = changes + 1`)
  if (night % 30 !== 10) return
  const month = monthOf(night)
  if (month > 0) await server.psql(`vacuum (freeze, analyze) facts_${month - 1}`)
  if (month > 5) await server.psql(`drop table facts_${month - 6}`)
}
