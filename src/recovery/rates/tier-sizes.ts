// How much of a backup must be there before the critical tier can answer: its relations, and everything that belongs to no relation of another tier.
import type { Manifest } from '../../repository/contract.ts'

export interface TierSizes {
  readonly bytes: number
  readonly files: number
  /** Undefined where no relation is critical, or all are. */
  readonly critical: { readonly bytes: number; readonly files: number; readonly relations: number } | undefined
}

/** Relations of users have oids from here on. */
const FIRST_NORMAL_OID = 16_384

export function tierSizes(manifest: Pick<Manifest, 'files' | 'relations'>): TierSizes {
  const others = new Set<string>()
  let relations = 0
  for (const one of manifest.relations) {
    if (one.tier === 'critical' && one.kind === 'r') relations++
    if (one.tier !== 'critical' && one.oid >= FIRST_NORMAL_OID) others.add(`${one.databaseOid}/${one.file.relfilenode}`)
  }
  const sizes = { bytes: 0, files: 0 }
  const critical = { bytes: 0, files: 0, relations }
  for (const { path, bytes } of manifest.files) {
    sizes.bytes += bytes
    sizes.files++
    const key = keyOf(path)
    if (key !== undefined && others.has(key)) continue
    critical.bytes += bytes
    critical.files++
  }
  return { ...sizes, critical: relations === 0 || critical.files === sizes.files ? undefined : critical }
}

/** `database/relfilenode` of a relation's file, whatever its tablespace, fork and segment. */
function keyOf(path: string): string | undefined {
  const match = /^(?:base|pg_tblspc\/\d+\/PG_[^/]+)\/(\d+)\/(\d+)(?:_\w+)?(?:\.\d+)?$/.exec(path)
  return match ? `${match[1]}/${match[2]}` : undefined
}
