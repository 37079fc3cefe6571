// A warehouse under test: a real server with its own archive, a repository, and backups taken straight by the engine.
import { join } from 'node:path'
import { chown, mkdir } from 'node:fs/promises'

import { takeBackup } from '../../src/backup/engine/take.ts'
import type { Receiving, TakenBackup, TakeOptions } from '../../src/backup/engine/options.ts'
import { diskFiles } from '../../src/backup/source/disk.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { BackupKind, Manifest, Repository, StoreDescriptor } from '../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../src/repository/open.ts'
import { openStore } from '../../src/repository/stores.ts'
import { warehousesSection } from '../../src/warehouse/config.ts'
import type { Warehouse } from '../../src/warehouse/contract.ts'
import { warehousesOf } from '../../src/warehouse/warehouses.ts'
import { scratchFolder, startServer, type Major, type TestServer } from '../support/postgres.ts'
import { ArchiveReceiver } from './archive-receiver.ts'
import { reconstruct } from './reconstruct.ts'

const signal = new AbortController().signal

/** A backup with its lists as arrays. */
export type Taken = Omit<TakenBackup, 'manifest'> & { readonly manifest: Manifest }

export function withArrays(taken: TakenBackup): Taken {
  const { files, relations } = taken.manifest
  return { ...taken, manifest: { ...taken.manifest, files: [...files], relations: [...relations] } }
}

export interface WorldOptions {
  /** Where the repository is; left out: in a folder of the world. */
  readonly place?: StoreDescriptor
  readonly major: Major
  readonly checksums?: boolean
  readonly settings?: Readonly<Record<string, string>>
  readonly leaseMs?: number
}

export interface World extends AsyncDisposable {
  readonly server: TestServer
  readonly folder: string
  readonly archive: string
  readonly warehouse: Warehouse
  readonly repository: Repository
  readonly receiving: Receiving
  take(kind: BackupKind, more?: Partial<TakeOptions>): Promise<Taken>
  /** A server on what the backup holds, recovered to the end of the archive (or as the settings say). */
  restore(id: string, settings?: Readonly<Record<string, string>>): Promise<TestServer>
  /** The same WAL, into another repository. */
  receivingInto(repository: Repository): Receiving
  /** Until everything that is committed now is in the archive. */
  archiveAll(): Promise<void>
}

/** As the owner of servers sees it, with `path` made for them. */
export async function makeFolder(world: { folder: string; server: TestServer }, name: string): Promise<string> {
  const path = join(world.folder, name)
  await mkdir(path, { mode: 0o700 })
  const { account } = world.server
  if (account) await chown(path, account.uid, account.gid)
  return path
}

/** Table `t` in tablespace `space`. */
export async function tableInSpace(world: { folder: string; server: TestServer }, rows: number): Promise<void> {
  const space = await makeFolder(world, 'space')
  await world.server.psql(`create tablespace space location '${space}'`)
  await world.server.psql(
    `create table t tablespace space as select n as id, md5(n::text) as body from generate_series(1, ${rows}) n`,
  )
}

export async function openWorld(options: WorldOptions): Promise<World> {
  const scope = new AsyncDisposableStack()
  const scratch = scope.use(await scratchFolder())
  const folder = scratch.path
  const archive = join(folder, 'archive')
  const server = scope.use(
    await startServer({
      major: options.major,
      checksums: options.checksums ?? true,
      allowInPlaceTablespaces: true,
      settings: {
        archive_mode: 'on',
        archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`,
        autovacuum_naptime: '1s',
        ...options.settings,
      },
    }),
  )
  await makeFolder({ folder, server }, 'archive')
  const repository = await openTestRepository(join(folder, 'repository'), { ...options, create: true })
  const entries = warehousesSection.schema.parse({ retail: { url: server.url, repositories: ['r'] } })
  const warehouse = warehousesOf(entries, {
    clock: systemClock,
    home: folder,
    configFile: join(folder, 'wharf.yaml'),
  }).get('retail')
  const facts = await warehouse.facts(signal)
  const receiving = new ArchiveReceiver({ server, archive, repository, ...facts })
  const parts = { server, folder, archive, warehouse, repository, receiving }
  let restores = 0
  return {
    ...parts,
    take: async (kind, more = {}) => withArrays(await takeBackup({ ...takeDefaults(parts), kind, ...more })),
    restore: async (id, settings = {}) => {
      const target = await makeFolder(parts, `restored-${++restores}`)
      const restored = await reconstruct({
        repository,
        id,
        major: options.major,
        folder: target,
        archive,
        owner: server.account,
        settings,
      })
      return scope.use(restored)
    },
    receivingInto: (other) => new ArchiveReceiver({ server, archive, repository: other, ...facts }),
    archiveAll: async () => {
      const [row] = await server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
      const { parseLsn } = await import('../../src/wal/lsn.ts')
      await receiving.waitUntilDurable({ timeline: facts.timeline, lsn: parseLsn(row!.lsn) }, signal)
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

export function takeDefaults(parts: Pick<World, 'warehouse' | 'repository' | 'receiving'>): TakeOptions {
  return {
    warehouse: parts.warehouse,
    repository: parts.repository,
    receive: () => Promise.resolve(parts.receiving),
    files: diskFiles,
    kind: 'incremental',
    workers: 2,
    fastCheckpoint: true,
    madeBy: 'test',
    clock: systemClock,
    log: silentLog,
    report: () => {},
    signal,
  }
}

export function makeRepository(path: string, options: { leaseMs?: number } = {}): Promise<Repository> {
  return openTestRepository(path, { ...options, create: true })
}

/** Encrypted, with a cheap key derivation. */
export async function openTestRepository(
  path: string,
  options: { leaseMs?: number; create?: boolean; place?: StoreDescriptor; packPlainBytes?: number } = {},
): Promise<Repository> {
  await mkdir(path, { recursive: true })
  const store = await openStore(options.place ?? { kind: 'file', path })
  const unlock = { by: 'passphrase', passphrase: 'correct horse', scryptCost: 1024 } as const
  if (options.create) await initRepository({ store, unlock, signal })
  const lease = {
    ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    ...(options.packPlainBytes === undefined ? {} : { packPlainBytes: options.packPlainBytes }),
  }
  return await openRepository({ name: 'r', store, unlock, clock: systemClock, holder: 'test', signal, ...lease })
}

export function openTestWarehouse(url: string, folder: string): Warehouse {
  const entries = warehousesSection.schema.parse({ retail: { url, repositories: ['r'] } })
  return warehousesOf(entries, { clock: systemClock, home: folder, configFile: join(folder, 'wharf.yaml') }).get(
    'retail',
  )
}
