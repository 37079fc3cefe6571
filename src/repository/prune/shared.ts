// Before a manifest is written: nothing that it shares may be on its way out.
import { errors } from '../errors.ts'
import type { Manifest, ManifestFile } from '../contract.ts'
import { isWharfError } from '../../base/errors.ts'
import type { ReadOptions } from '../object/decode.ts'
import { parseChunkName } from '../wal/names.ts'
import { namedAs, namesOf, needsWal, readRoots } from './roots.ts'
import { revive } from './revive.ts'
import { MARGIN_MS, readStanding, type Standing } from './standing.ts'

type Shares = Pick<Manifest, 'id' | 'madeBy' | 'packs'> & { readonly files: Iterable<ManifestFile> }

/**
 * Revives what the manifest needs and a tombstone names. What cannot be revived any more is still safe where another manifest names it that outlives our
 * lease; otherwise rejects with `repository.shared-expired`. `startedMs`: when the lease began.
 */
export async function keepShared(manifest: Shares, startedMs: number, options: ReadOptions): Promise<void> {
  const standing = await readStanding(options)
  if (standing.dead.size === 0) return
  const needed = namesOf(manifest)
  const names = [...standing.dead.keys()].filter((name) => needed.has(namedAs(name)))
  if (names.length === 0) return
  try {
    const reason = `shared by ${manifest.id}`
    await revive(names, { by: manifest.madeBy, reason, what: `data that ${manifest.id} shares`, standing }, options)
  } catch (error) {
    if (!isWharfError(error, 'repository.too-late-to-revive')) throw error
    const roots = (await readRoots(options)).roots.filter((root) => outlives(root.object, startedMs, standing))
    const object = names.find((name) => !roots.some((root) => root.names.has(namedAs(name))))
    if (object !== undefined) throw errors.sharedExpired({ backup: manifest.id, object }, { cause: error })
  }
}

/**
 * The same for the WAL that a copy needs to become consistent, before anything of it is put: what is there under a tombstone is taken out of it. Where
 * that is too late and it is there still, rejects with `repository.shared-expired`: once it is gone it can be put anew.
 */
export async function keepWal(
  manifest: Pick<Manifest, 'id' | 'madeBy'> & Parameters<typeof needsWal>[0],
  options: ReadOptions,
): Promise<void> {
  const standing = await readStanding(options)
  const there: string[] = []
  for (const name of standing.dead.keys()) {
    const chunk = parseChunkName(name)
    if (chunk && needsWal(manifest, chunk) && (await options.store.stat(name, options))) there.push(name)
  }
  const why = { by: manifest.madeBy, reason: `needed by ${manifest.id}`, what: `WAL of ${manifest.id}`, standing }
  try {
    await revive(there, why, options)
  } catch (error) {
    if (!isWharfError(error, 'repository.too-late-to-revive')) throw error
    throw errors.sharedExpired({ backup: manifest.id, object: there[0]! }, { cause: error })
  }
}

/** Not deleted while our lease is held: alive, or under tombstones that came when it was held already. */
export function outlives(object: string, startedMs: number, standing: Standing): boolean {
  return standing.tombstones.every(
    (one) => startedMs < one.sinceMs + MARGIN_MS || !one.objects.includes(object) || standing.isRevived(one, object),
  )
}
