// Where the files of a relation lie, relative to the data directory, as manifests have it.
import type { Manifest } from '../../repository/contract.ts'
import type { ForkName, RelationFile } from '../../wal/contract.ts'

const DEFAULT_TABLESPACE = 1663
const GLOBAL_TABLESPACE = 1664

/** Path of the first segment of a fork. */
export function pathOf(
  file: RelationFile,
  server: Pick<Manifest, 'postgresVersion' | 'catalogVersion'>,
  fork: ForkName = 'main',
): string {
  const name = fork === 'main' ? String(file.relfilenode) : `${file.relfilenode}_${fork}`
  if (file.tablespace === GLOBAL_TABLESPACE) return `global/${name}`
  if (file.tablespace === DEFAULT_TABLESPACE) return `base/${file.database}/${name}`
  const folder = `PG_${Math.floor(server.postgresVersion / 10_000)}_${server.catalogVersion}`
  return `pg_tblspc/${file.tablespace}/${folder}/${file.database}/${name}`
}
