// The directory of a recovery in place, looked at and its WAL stored: what plan and run need to know of it.
import { readdir, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import type { BackupSummary, Manifest, ManifestTablespace, Repository } from '../../repository/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { Layout } from '../restore/layout.ts'
import { targetFolders } from '../restore/target-folder.ts'
import { isWarehouseNow } from './adopted.ts'
import { inspectTarget, refuseChanged, refuseInUse, type TargetCluster } from './inspect.ts'
import { refuseShared } from './neighbours.ts'
import { saveOwnWal, type OwnWal } from './save-wal.ts'

export interface Place {
  readonly cluster: TargetCluster
  /** Undefined for a copy: what it wrote is none of the warehouse's WAL. */
  readonly ownWal: OwnWal | undefined
}

/** Stores the target's own WAL, or with `dry` says what would be stored. Touches nothing of the target. */
export async function findPlace(parts: {
  readonly directory: string
  readonly warehouse: string
  readonly repository: Pick<Repository, 'wal'>
  readonly backups: readonly BackupSummary[]
  readonly dry: boolean
  readonly progress: (event: Progress) => void
  readonly signal: AbortSignal
}): Promise<Place> {
  const { directory, warehouse, repository, dry, progress, signal } = parts
  const found = await inspectTarget(directory, warehouse)
  const { systemIdentifier, control, root } = found
  const own = parts.backups.filter((one) => one.warehouse === warehouse)
  const backup = own.findLast((one) => one.systemIdentifier === systemIdentifier)
  if (!backup && own.length > 0) {
    const wanted = [...new Set(own.map((one) => one.systemIdentifier))]
    throw errors.otherCluster({ directory: found.directory, found: systemIdentifier, warehouse, wanted })
  }
  if (!backup) return { cluster: found, ownWal: undefined }
  const { postgresVersion, walSegmentBytes: segmentBytes } = backup
  const shape = { systemIdentifier, postgresVersion, segmentBytes, majorVersion: Math.floor(postgresVersion / 10_000) }
  const isCopy = found.isCopy && !(await isWarehouseNow(found, { wal: repository.wal, shape, signal }))
  const cluster = { ...found, isCopy }
  if (isCopy) return { cluster, ownWal: undefined }
  const until = control && { timeline: control.timeline, lsn: control.checkpointLsn }
  return { cluster, ownWal: await saveOwnWal({ repository, root, shape, dry, until, progress, signal }) }
}

/** Of a warehouse that was made anew under the same name, a target may lie in the other cluster. */
export function refuseOther(cluster: TargetCluster, manifest: Manifest): void {
  if (cluster.systemIdentifier === manifest.systemIdentifier) return
  const { directory, systemIdentifier: found } = cluster
  throw errors.otherCluster({ directory, found, warehouse: manifest.warehouse, wanted: [manifest.systemIdentifier] })
}

/** Tablespaces stay where they are: what --tablespace would have to say for that. What the user says goes first. */
export function movesToStay(
  cluster: TargetCluster,
  tablespaces: readonly ManifestTablespace[],
  moves: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const stay: Record<string, string> = {}
  for (const { oid, name, location } of tablespaces) {
    const there = cluster.tablespaces.get(oid)
    const named = [name, String(oid), location].some((key) => key !== undefined && Object.hasOwn(moves, key))
    if (there !== undefined && !named) stay[String(oid)] = there
  }
  return { ...moves, ...stay }
}

/** Whether WAL may be handed over as it is: only to the original in its original place. */
export async function isOriginalPlace(cluster: TargetCluster, manifest: Manifest): Promise<boolean> {
  const home = manifest.settings['data_directory']
  if (home === undefined) return false
  const real = await realpath(home).catch(() => resolve(home))
  return [cluster.directory, cluster.root].includes(resolve(home)) || cluster.root === real
}

/** Asked before anything is touched, and again behind the marker. */
export async function refuseUsed(cluster: TargetCluster, layout: Layout): Promise<void> {
  await refuseInUse(cluster.root)
  await refuseChanged(cluster)
  const linked = [...cluster.tablespaces.values()].filter((path) => path !== 'in-place')
  await refuseShared(cluster.root, [...targetFolders(layout).slice(1), ...linked])
}

/**
 * A tablespace that is moved goes into an empty folder. One whose link is gone may lie where the backup says, or somebody else's may by now: only who knows that can
 * tell, and what the backup does not hold would stay there unseen.
 */
export async function refuseFullMoves(cluster: TargetCluster, layout: Layout): Promise<void> {
  for (const { oid, target } of layout.tablespaces) {
    if (target.kind !== 'link' || cluster.tablespaces.get(oid) === target.path) continue
    if (cluster.unfinished?.tablespaces.includes(target.path)) continue
    const found = await readdir(target.path).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [] as string[]
      throw error
    })
    if (found.length > 0 && cluster.tablespaces.has(oid))
      throw errors.targetNotEmpty({ directory: target.path, found: found.slice(0, 3).join(', ') })
    const of = found.find((one) => /^PG_\d+_\d+$/.test(one))
    if (of !== undefined)
      throw errors.lostLink({ directory: target.path, found: of, link: join(cluster.root, 'pg_tblspc', String(oid)) })
  }
}
