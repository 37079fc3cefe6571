// Which relations of a backup are static, and since when: out of the manifest alone. Pure.
import type { BackupSummary, Manifest, MappedRelation } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { parseSegmentPath } from '../source/paths.ts'
import { keyOf } from './files.ts'
import { isSystemSchema } from './tiers.ts'

export interface RelationStanding {
  readonly database: string
  readonly schema: string
  readonly name: string
  readonly oid: number
  /** With indexes and TOAST. */
  readonly bytes: number
  /** The newest backup that had to store anything of it: it has stood still since that backup's start at the latest. */
  readonly storedBy: string
  /** Undefined where that backup has been deleted since. */
  readonly lsn: Lsn | undefined
  readonly sinceMs: number
  /** Whether the newest backup found it unchanged. What a tier has deferred has changed, though the newest backup stored nothing of it. */
  readonly isStatic: boolean
  /** When the least recently audited of its blocks was seen on disk; 0: nobody knows. */
  readonly auditedMs: number
}

/** User tables, largest first. `backups`: those of the warehouse that the repository still has. */
export function standings(manifest: Manifest, backups: readonly BackupSummary[]): RelationStanding[] {
  const byFile = new Map(manifest.relations.map((one) => [keyOf(one.file), one]))
  const byId = new Map(manifest.relations.map((one) => [`${one.databaseOid}/${one.oid}`, one]))
  const known = new Map(backups.map((one) => [one.id, one]))
  const found = new Map<MappedRelation, { bytes: number; storedBy: string; auditedMs: number; deferred: boolean }>()
  for (const file of manifest.files) {
    const name = file.kind === 'segment' ? parseSegmentPath(file.path) : undefined
    const relation = name && byFile.get(keyOf(name.file))
    if (file.kind !== 'segment' || relation === undefined) continue
    const owner = ownerOf(relation, byId)
    if (owner.databaseOid === 0 || isSystemSchema(owner.schema) || (owner.kind !== 'r' && owner.kind !== 'm')) continue
    const one = found.get(owner) ?? { bytes: 0, storedBy: '', auditedMs: Infinity, deferred: false }
    one.bytes += file.bytes
    // Ids begin with the time at which the backup began.
    if (file.storedBy > one.storedBy) one.storedBy = file.storedBy
    one.auditedMs = Math.min(one.auditedMs, file.auditedMs)
    if (file.imageLsn < manifest.startLsn) one.deferred = true
    found.set(owner, one)
  }
  return [...found]
    .map(([{ database, schema, name, oid }, { bytes, storedBy, auditedMs, deferred }]) => ({
      database,
      schema,
      name,
      oid,
      bytes,
      storedBy,
      lsn: known.get(storedBy)?.startLsn,
      sinceMs: known.get(storedBy)?.startedMs ?? timeOfId(storedBy),
      isStatic: storedBy !== manifest.id && !deferred,
      auditedMs,
    }))
    .sort((one, other) => other.bytes - one.bytes)
}

function ownerOf(relation: MappedRelation, byId: ReadonlyMap<string, MappedRelation>): MappedRelation {
  let owner = relation
  while (owner.belongsTo !== undefined) {
    const next = byId.get(`${owner.databaseOid}/${owner.belongsTo}`)
    if (next === undefined) break
    owner = next
  }
  return owner
}

/** `20261120T140500Z-7f3a9c1e` → epoch milliseconds. */
export function timeOfId(id: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(id)
  if (!match) return 0
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number)
  return Date.UTC(year!, month! - 1, day, hour, minute, second)
}

/** Oracle's rule for change tracking: 1/250 000 of the database for each backup that is kept. */
export function changeMapRule(of: { clusterBytes: number; backups: number }): number {
  return (of.clusterBytes / 250_000) * of.backups
}
