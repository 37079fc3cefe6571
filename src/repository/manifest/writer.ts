// A backup being written: the order of doc/design/repository-format.md section 8.
import type {
  BackupWriter,
  ManifestDraft,
  MapRef,
  PackRef,
  PackWriter,
  PackWriterSeed,
  SegmentMap,
} from '../contract.ts'
import { timeLimit } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { MINUTE_MS } from '../../base/units.ts'
import type { BackupProgress } from '../progress-contract.ts'
import { errors } from '../errors.ts'
import { storeErrors } from '../store-errors.ts'
import type { Lease } from '../lease/lease.ts'
import { BundleWriter } from '../map/bundle.ts'
import type { ReadOptions } from '../object/decode.ts'
import { packName } from '../pack/names.ts'
import { settlePack } from '../copy/packs.ts'
import { putProgress, removeProgress } from '../progress/notes.ts'
import { trimmedOf } from '../pack/trimmed.ts'
import { SealedPackWriter } from '../pack/writer.ts'
import { keepShared } from '../prune/shared.ts'
import { writeConfirmation } from './confirmation.ts'
import { extendLocks } from './locks.ts'
import { damagedManifest, manifestName, proveManifest, writeManifest } from './store.ts'

export interface BackupParts extends ReadOptions {
  readonly id: string
  readonly warehouse: string
  readonly lease: Lease
  readonly seed: PackWriterSeed
}

export class StoredBackupWriter implements BackupWriter {
  readonly id: string
  readonly seed: PackWriterSeed
  private readonly parts: BackupParts
  private readonly written = new Set<string>()
  private maps: BundleWriter | undefined
  private readonly bundles = new Set<string>()
  private notes = 0

  constructor(parts: BackupParts) {
    this.parts = parts
    this.id = parts.id
    this.seed = parts.seed
  }

  async openPackWriter(): Promise<PackWriter> {
    const { store, ring, signal, seed } = this.parts
    const packPlainBytes = seed['packPlainBytes']
    return new SealedPackWriter({
      store,
      ring,
      signal,
      ...(typeof packPlainBytes === 'number' ? { packPlainBytes } : {}),
    })
  }

  async addMap(map: SegmentMap, signal: AbortSignal): Promise<MapRef> {
    signal.throwIfAborted()
    const { store, ring } = this.parts
    const ref = await (this.maps ??= new BundleWriter({ store, ring, signal })).add(map)
    this.bundles.add(ref.object)
    return ref
  }

  async finishMaps(packs: readonly PackRef[], signal: AbortSignal): Promise<void> {
    const { store } = this.parts
    await store.barrier({ signal })
    for (const pack of packs) {
      const name = packName(pack.id)
      const info = await store.stat(name, { signal })
      if (!info) throw storeErrors.objectMissing({ name, location: store.location })
      if (info.bytes !== pack.bytes) {
        throw errors.damagedObject({
          object: name,
          reason: `the store holds ${info.bytes} of ${pack.bytes} bytes just written`,
        })
      }
      this.written.add(pack.id)
    }
    await this.parts.lease.held()
    await this.maps?.finish()
  }

  async writeMaps(
    maps: readonly SegmentMap[],
    packs: readonly PackRef[],
    signal: AbortSignal,
  ): Promise<readonly MapRef[]> {
    const refs: MapRef[] = []
    for (const map of maps) refs.push(await this.addMap(map, signal))
    await this.finishMaps(packs, signal)
    return refs
  }

  /** `as`: a replacement of a damaged manifest goes under another name. */
  async commit(manifest: ManifestDraft, signal: AbortSignal, as: { name?: string } = {}): Promise<void> {
    const { id, warehouse, store, lease, ring } = this.parts
    if (manifest.id !== id || manifest.warehouse !== warehouse) {
      throw new TypeError(`manifest of ${manifest.id} of ${manifest.warehouse} committed as ${id} of ${warehouse}`)
    }
    const options: ReadOptions = { store, ring, signal }
    await this.requirePacks(manifest, signal)
    await keepShared(manifest, lease.startedMs, options)
    await store.barrier({ signal })
    const own = new Set([...this.bundles, ...[...this.written].map(packName)])
    const locked = await extendLocks({ manifest, startedMs: lease.startedMs, written: own }, options)
    const untilMs = await lease.held()
    const name = as.name ?? manifestName(warehouse, id)
    const parts = { name, untilMs, locked, options }
    const written = await this.writeProven(manifest, parts).catch(async (error: unknown) => {
      throw await this.withdraw(name, error)
    })
    // From here on the backup is complete; the confirmation only helps copies that lost their times.
    await writeConfirmation({ warehouse, id }, { manifest: name, ...written }, options).catch(() => {})
    await removeProgress(warehouse, options).catch(() => {})
    await lease.end('committed')
  }

  private async writeProven(
    manifest: ManifestDraft,
    parts: {
      name: string
      untilMs: number
      locked: Awaited<ReturnType<typeof extendLocks>>
      options: ReadOptions
    },
  ): Promise<Awaited<ReturnType<typeof writeManifest>>> {
    const { id, warehouse, store, lease } = this.parts
    const { name, untilMs, locked, options } = parts
    const { signal } = options
    const written = await writeManifest(manifest, { leaseUntilMs: untilMs, locked }, { ...options, name })
    await store.barrier({ signal })
    const head = await proveManifest(name, options)
    if (head.leaseUntilMs !== untilMs) throw damagedManifest(name, 'it is not the one just written')
    await lease.held()
    const info = await store.stat(name, { signal })
    if (!info || info.modifiedMs > untilMs) {
      throw errors.leaseLost({ warehouse, backup: id, reason: 'its manifest came after the end of the lease' })
    }
    return written
  }

  /**
   * It must not look complete when it is reported as failed. What failed first is told: who may not delete, or cannot reach the store, hears that next. Where
   * the store does not let go of what it may hold, that is what is told.
   */
  private async withdraw(name: string, error: unknown): Promise<unknown> {
    const { id, warehouse, store } = this.parts
    // Not ours.
    if (isWharfError(error, 'repository.object-exists')) return error
    const isGone = await store.remove(name, { signal: timeLimit(MINUTE_MS) }).then(
      () => true,
      () => false,
    )
    // Readers see by its time or by its content that it does not count.
    const isRuledOut = isWharfError(error) && (error.code === 'repository.lease-lost' || error.exit === 'damaged')
    if (isGone || isRuledOut) return error
    return errors.backupUncertain({ warehouse, backup: id, why: messageOf(error) }, { cause: error })
  }

  /** Every pack that the manifest names must be there before it is written. */
  private async requirePacks(manifest: Pick<ManifestDraft, 'packs'>, signal: AbortSignal): Promise<void> {
    const { store } = this.parts
    const wanted = manifest.packs.filter((id) => !this.written.has(id))
    for (let at = 0; at < wanted.length; at += 64) {
      await Promise.all(
        wanted.slice(at, at + 64).map(async (id) => {
          const name = packName(id)
          if (await store.stat(name, { signal })) return
          // Trimmed, it holds at least what the parent named.
          if ((await trimmedOf(id, { store, signal })).length === 0)
            throw storeErrors.objectMissing({ name, location: store.location })
        }),
      )
    }
  }

  async noteProgress(progress: BackupProgress, signal: AbortSignal): Promise<void> {
    const { id, warehouse, store, ring } = this.parts
    await putProgress({ warehouse, id, number: this.notes++ }, progress, { store, ring, signal })
  }

  async adoptPacks(packs: readonly string[], signal: AbortSignal): Promise<void> {
    const { store, ring } = this.parts
    for (let at = 0; at < packs.length; at += 16) {
      await Promise.all(
        packs.slice(at, at + 16).map(async (id) => {
          if (await settlePack(id, { store, ring, signal })) return
          throw storeErrors.objectMissing({ name: packName(id), location: store.location })
        }),
      )
    }
  }

  async abandon(): Promise<void> {
    await this.maps?.abandon()
    await this.parts.lease.end('released')
  }
}
