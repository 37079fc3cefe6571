// What stands in the directory that shall be recovered in place: whose cluster, a copy or the original, its tablespaces; and whether it may be touched.
import { open, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import type { ControlData } from '../../wal/contract.ts'
import { parseControlFile } from '../../wal/control-file.ts'
import { LONG_HEADER_BYTES } from '../../wal/layouts.ts'
import { useOf } from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { readMarker, type Marker } from '../restore/marker.ts'
import { refuseHeld, unfinishedIn } from '../restore/unfinished.ts'

export interface TargetCluster {
  /** As asked for, absolute. */
  readonly directory: string
  /** Links resolved. */
  readonly root: string
  readonly owner: { readonly uid: number; readonly gid: number }
  readonly systemIdentifier: bigint
  /** Undefined while a recovery in place is under way, or where it is damaged. */
  readonly control: ControlData | undefined
  /** What an earlier recovery made: it stays silent, and its WAL is none of the warehouse's. */
  readonly isCopy: boolean
  /** Whether an earlier recovery came to its end here, and its server was opened. */
  readonly isOpened: boolean
  /** A recovery in place that was not finished. */
  readonly unfinished: Marker | undefined
  /** Tablespaces by oid: the folder that the link names, or `in-place`. */
  readonly tablespaces: ReadonlyMap<number, string>
}

/** Rejects where there is no cluster, where a server uses it, and where somebody else's work is unfinished. Touches nothing. */
export async function inspectTarget(directory: string, warehouse: string): Promise<TargetCluster> {
  const asked = resolve(directory)
  const root = await realpath(asked).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') throw errors.noCluster({ directory: asked })
    throw error
  })
  const about = await stat(root)
  const marker = about.isDirectory() ? await readMarker(root) : undefined
  const entries = about.isDirectory() ? await readdir(root) : []
  if (!marker && !(entries.includes('PG_VERSION') && entries.includes('global')))
    throw errors.noCluster({ directory: asked })
  await refuseInUse(root)
  await refuseForeign({ root, marker, warehouse })
  const control = await readControl(root)
  const systemIdentifier =
    control?.systemIdentifier ?? (await identifierElsewhere(root, marker)) ?? fail(errors.unknownCluster(asked))
  const unfinished = marker?.way === 'in-place' ? await unfinishedIn(root, marker) : undefined
  return {
    directory: asked,
    root,
    owner: { uid: about.uid, gid: about.gid },
    systemIdentifier,
    control,
    isCopy: await isCopy(root, marker),
    isOpened: marker?.state === 'recovered',
    unfinished,
    tablespaces: await tablespacesOf(root),
  }
}

function fail(error: Error): never {
  throw error
}

export async function refuseInUse(root: string): Promise<void> {
  const what = await useOf(root)
  if (what !== undefined) throw errors.targetInUse({ directory: root, what })
}

/** Rejects where its server has run since it was looked at: whatever it wrote is in no plan, and its WAL not stored. */
export async function refuseChanged({ root, control }: TargetCluster): Promise<void> {
  if (control === undefined) return
  const now = await readControl(root)
  const isSame =
    now?.checkpointLsn === control.checkpointLsn && now.timeline === control.timeline && now.state === control.state
  if (!isSame) throw errors.targetChanged({ directory: root })
}

async function refuseForeign(parts: { root: string; marker: Marker | undefined; warehouse: string }): Promise<void> {
  const { root, marker, warehouse } = parts
  if (marker?.state === 'restoring' || marker?.state === 'replaying') refuseHeld(root, marker)
  if (marker?.state === 'restoring') {
    if (marker.way !== 'in-place')
      throw errors.targetHalfDone({ directory: root, backup: marker.backup, startedAt: marker.startedAt })
    if (marker.warehouse !== warehouse)
      throw errors.foreignOperation({ directory: root, what: `a recovery of warehouse "${marker.warehouse}"` })
  }
  const global = await readdir(join(root, 'global')).catch(() => [] as string[])
  if (global.some((name) => name.startsWith('pg_control.pgbackrest')))
    throw errors.foreignOperation({ directory: root, what: 'a restore of pgBackRest' })
}

async function readControl(root: string): Promise<ControlData | undefined> {
  try {
    const control = parseControlFile(await readFile(join(root, 'global', 'pg_control')))
    return control.crcIsGood ? control : undefined
  } catch {
    // Damaged or gone: that may be why it is recovered.
    return undefined
  }
}

/** From what an unfinished recovery has noted, else from the first pages of its WAL, which must agree. */
async function identifierElsewhere(root: string, marker: Marker | undefined): Promise<bigint | undefined> {
  if (marker?.systemIdentifier !== undefined) return BigInt(marker.systemIdentifier)
  const folder = join(root, 'pg_wal')
  const names = (await readdir(folder).catch(() => [] as string[])).filter((name) => /^[0-9A-F]{24}$/.test(name))
  const found = new Set<bigint>()
  for (const name of names) {
    await using handle = await open(join(folder, name), 'r')
    const head = Buffer.alloc(LONG_HEADER_BYTES)
    const { bytesRead } = await handle.read(head, 0, head.length, 0)
    if (bytesRead === head.length && head.readBigUInt64LE(24) !== 0n) found.add(head.readBigUInt64LE(24))
  }
  return found.size === 1 ? [...found][0] : undefined
}

async function isCopy(root: string, marker: Marker | undefined): Promise<boolean> {
  if (marker?.mode !== undefined) return marker.mode === 'copy'
  if (marker === undefined) return false
  const text = await readFile(join(root, 'postgresql.conf'), 'utf8').catch(() => '')
  return text.startsWith('# Written by wharf: the configuration of a silent copy')
}

async function tablespacesOf(root: string): Promise<ReadonlyMap<number, string>> {
  const folder = join(root, 'pg_tblspc')
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const found = new Map<number, string>()
  for (const entry of entries) {
    if (!/^\d+$/.test(entry.name)) continue
    if (entry.isSymbolicLink()) found.set(Number(entry.name), resolve(folder, await readlink(join(folder, entry.name))))
    else if (entry.isDirectory()) found.set(Number(entry.name), 'in-place')
  }
  return found
}
