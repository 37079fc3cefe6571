// A repository that is open.
import { timedId } from '../base/random.ts'
import { formatTime, type Clock } from '../base/clock.ts'
import type {
  BackupSummary,
  BackupWriter,
  ExtentReader,
  KeptLoads,
  Manifest,
  ManifestList,
  MapRef,
  Notices,
  ObjectStore,
  PackWriterSeed,
  Repository,
  SegmentMap,
  TableCopies,
  WalArchive,
} from './contract.ts'
import type { InterruptedBackup, PackExtent } from './progress-contract.ts'
import type { Holds, ExpiringBackup, Reading } from './expiry-contract.ts'
import { lastGoodCheck } from './check/records.ts'
import { StoredCopies } from './copies/store.ts'
import { errors } from './errors.ts'
import { KeyRing, type KeyRingSeed } from './keys/ring.ts'
import { StoredKept } from './kept/store.ts'
import { Lease, LEASE_MS, newestLeases, readLease } from './lease/lease.ts'
import { beginReading } from './lease/reader.ts'
import { readMaps } from './map/bundle.ts'
import { findManifest, lateness, listBackups } from './manifest/list.ts'
import { manifestName, readManifest } from './manifest/store.ts'
import { StoredBackupWriter } from './manifest/writer.ts'
import { StoredNotices } from './notice/notices.ts'
import type { ReadOptions } from './object/decode.ts'
import { PackReader } from './pack/reader.ts'
import { listHolds, placeHold, releaseHold } from './prune/holds.ts'
import { supersededName } from './prune/names.ts'
import { readStanding } from './prune/standing.ts'
import { readPackExtents } from './pack/directory.ts'
import { packName } from './pack/names.ts'
import { listProgress } from './progress/notes.ts'
import { StoredWal } from './wal/archive.ts'
import { makeSeed } from './workers.ts'

export interface RepositoryParts {
  readonly name: string
  readonly store: ObjectStore
  readonly ringSeed: KeyRingSeed
  readonly clock: Clock
  /** Who holds leases, for people: `root@dw1, process 4711`. */
  readonly holder: string
  /** Default 60 s. */
  readonly leaseMs?: number
  /** Default 48 MiB; tests make packs small. */
  readonly packPlainBytes?: number
}

export class StoredRepository implements Repository {
  readonly name: string
  readonly id: string
  readonly encrypted: boolean
  readonly store: ObjectStore
  readonly wal: WalArchive
  readonly copies: TableCopies
  readonly kept: KeptLoads
  readonly notices: Notices
  readonly readerSeed: PackWriterSeed
  readonly holds: Holds = {
    list: (signal) => listHolds(this.readOptions(signal)),
    place: (hold, signal) => placeHold(hold, this.readOptions(signal)),
    release: (id, signal) => releaseHold(id, this.readOptions(signal)),
  }
  /** For check and inspect, which stay in this room. */
  readonly ring: KeyRing
  private readonly parts: RepositoryParts
  private readonly closing = new AbortController()

  constructor(parts: RepositoryParts) {
    this.parts = parts
    this.name = parts.name
    this.id = parts.ringSeed.repositoryId
    this.encrypted = parts.ringSeed.sealing !== 'none'
    this.store = parts.store
    this.ring = new KeyRing(parts.ringSeed)
    this.wal = new StoredWal({ store: parts.store, ring: this.ring })
    this.copies = new StoredCopies({ store: parts.store, ring: this.ring })
    this.kept = new StoredKept({
      store: parts.store,
      ring: this.ring,
      wal: this.wal,
      beginReading: (options) => this.beginReading(options),
    })
    this.notices = new StoredNotices({ store: parts.store, ring: this.ring })
    this.readerSeed = makeSeed(parts.store.descriptor, parts.ringSeed, parts.packPlainBytes)
  }

  /** For copying, healing and check, which stay in this room. */
  readOptions(signal: AbortSignal): ReadOptions {
    return { store: this.store, ring: this.ring, signal }
  }

  lastGoodCheck(signal: AbortSignal): Promise<number | undefined> {
    return lastGoodCheck(this.readOptions(signal))
  }

  async listBackups(
    signal: AbortSignal,
    options: { warehouse?: string; onDamaged?: (object: string, error: Error) => void } = {},
  ): Promise<readonly BackupSummary[]> {
    const base = this.readOptions(signal)
    const { dead } = await readStanding(base)
    return listBackups({ ...base, warehouse: options.warehouse, onDamaged: options.onDamaged, without: dead })
  }

  async listExpiring(signal: AbortSignal): Promise<readonly ExpiringBackup[]> {
    const base = this.readOptions(signal)
    const { dead } = await readStanding(base)
    if (dead.size === 0) return []
    const expiring = await listBackups({ ...base, onDamaged: () => {}, without: { has: (name) => !dead.has(name) } })
    return expiring.map((summary) => {
      const { tombstone, matureMs, reason } = dead.get(manifestName(summary.warehouse, summary.id))!
      return { summary, tombstone, deleteAfterMs: matureMs, reason }
    })
  }

  async beginReading(options: { purpose: string; signal: AbortSignal }): Promise<Reading> {
    const signal = AbortSignal.any([options.signal, this.closing.signal])
    const { clock, holder, leaseMs } = this.parts
    const { purpose } = options
    return beginReading({ ...this.readOptions(signal), clock, purpose, holder, leaseMs: leaseMs ?? LEASE_MS })
  }

  async readManifest(
    id: string,
    signal: AbortSignal,
    { without }: { without?: readonly ManifestList[] } = {},
  ): Promise<Manifest> {
    const options = this.readOptions(signal)
    const object = await findManifest(id, options)
    const tombstone = (await readStanding(options)).dead.get(object.name)
    if (tombstone) {
      const { location } = this.store
      throw errors.backupExpiring({ id, location, until: formatTime(tombstone.matureMs) })
    }
    const { manifest, head } = await readManifest(object.name, { ...options, without })
    const late = await lateness(object, head, options)
    if (late) throw late
    return manifest
  }

  async listUnfinished(signal: AbortSignal): Promise<
    readonly {
      readonly id: string
      readonly warehouse: string
      readonly startedMs: number
      readonly leaseUntilMs: number
    }[]
  > {
    const options = this.readOptions(signal)
    // Where we may not write there is no probe: then our own clock has to do, and this is only a list.
    const now = await this.store.now(options).catch(() => this.parts.clock.now())
    const unfinished = []
    for (const { name } of await newestLeases(options)) {
      const lease = await readLease(name, options)
      if (lease.state !== 'held' || lease.untilMs < now) continue
      if (await this.store.stat(manifestName(lease.warehouse, lease.backup), options)) continue
      unfinished.push({
        id: lease.backup,
        warehouse: lease.warehouse,
        startedMs: lease.startedMs,
        leaseUntilMs: lease.untilMs,
      })
    }
    return unfinished
  }

  async listInterrupted(warehouse: string, signal: AbortSignal): Promise<readonly InterruptedBackup[]> {
    const options = this.readOptions(signal)
    const found = await listProgress(warehouse, options)
    if (found.length === 0) return []
    const { dead } = await readStanding(options)
    // Of one that is superseded a backup that was complete named a part: the rest is about to go, and nothing knows that it is needed.
    const stays = (name: string): boolean => !dead.has(name) && !dead.has(supersededName(name))
    return found.map((one) => ({ ...one, packs: one.packs.filter((pack) => stays(packName(pack))) }))
  }

  readPackExtents(pack: string, signal: AbortSignal): Promise<readonly PackExtent[]> {
    return readPackExtents(pack, this.readOptions(signal))
  }

  async beginBackup(options: { warehouse: string; signal: AbortSignal }): Promise<BackupWriter> {
    return await this.beginCopy(options)
  }

  /** With an id: that of the backup in another repository. */
  async beginCopy(options: { warehouse: string; id?: string; signal: AbortSignal }): Promise<StoredBackupWriter> {
    const { warehouse } = options
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(warehouse)) throw errors.badWarehouseName({ name: warehouse })
    const signal = AbortSignal.any([options.signal, this.closing.signal])
    const { clock, holder, leaseMs } = this.parts
    const id = options.id ?? timedId(await this.store.now({ signal }))
    const base = this.readOptions(signal)
    const lease = await Lease.claim({ ...base, clock, warehouse, backup: id, holder, leaseMs: leaseMs ?? LEASE_MS })
    return new StoredBackupWriter({ ...base, id, warehouse, lease, seed: this.readerSeed })
  }

  readMaps(refs: readonly MapRef[], signal: AbortSignal): Promise<readonly SegmentMap[]> {
    return readMaps(refs, this.readOptions(signal))
  }

  openExtentReader(): ExtentReader {
    return new PackReader({ store: this.store, ring: this.ring })
  }

  async close(): Promise<void> {
    this.closing.abort(new Error(`repository "${this.name}" was closed`))
  }
}
