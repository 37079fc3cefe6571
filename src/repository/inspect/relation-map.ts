// The relations of a manifest with what is stored of each: for people.
import { formatTable } from '../../base/table.ts'
import { formatSize } from '../../base/units.ts'
import type { MappedRelation } from '../contract.ts'

/** As inspect shows a file of a manifest. */
export interface ShownFile {
  readonly path: string
  readonly bytes: number
  readonly imageLsn?: string
}

export interface MappedSize {
  /** All forks and segments that the backup holds; 0 for what was left out. */
  readonly bytes: number
  /** Where its oldest segment is as old as that; undefined where no segment is held. */
  readonly imageLsn: string | undefined
}

/** `base/5/16400_vm.1` → `5/16400`, tablespaces apart: relfilenodes are unique within a database of a tablespace. */
const FILE = /^(?:base\/(\d+)|(global)|pg_tblspc\/(\d+)\/[^/]+\/(\d+))\/(\d+)(?:_[a-z]+)?(?:\.\d+)?$/
const DEFAULT_TABLESPACE = 1663
const GLOBAL_TABLESPACE = 1664

export function sizesOf(files: readonly ShownFile[]): (relation: Pick<MappedRelation, 'file'>) => MappedSize {
  const sizes = new Map<string, { bytes: number; imageLsn: string | undefined }>()
  for (const { path, bytes, imageLsn } of files) {
    const match = FILE.exec(path)
    if (!match) continue
    const [, base, shared, space, database, number] = match
    const tablespace = space ?? (shared === undefined ? DEFAULT_TABLESPACE : GLOBAL_TABLESPACE)
    const key = `${tablespace}/${database ?? base ?? 0}/${number}`
    const known = sizes.get(key) ?? { bytes: 0, imageLsn: undefined }
    known.bytes += bytes
    if (imageLsn !== undefined && (known.imageLsn === undefined || isBefore(imageLsn, known.imageLsn)))
      known.imageLsn = imageLsn
    sizes.set(key, known)
  }
  return ({ file: { tablespace, database, relfilenode } }) =>
    sizes.get(`${tablespace}/${database}/${relfilenode}`) ?? { bytes: 0, imageLsn: undefined }
}

/** LSNs as text. */
function isBefore(one: string, other: string): boolean {
  const [high = '', low = ''] = one.split('/')
  const [otherHigh = '', otherLow = ''] = other.split('/')
  return (
    (high.padStart(8, '0') + low.padStart(8, '0')).localeCompare(
      otherHigh.padStart(8, '0') + otherLow.padStart(8, '0'),
    ) < 0
  )
}

const KINDS: Readonly<Record<string, string>> = {
  r: 'table',
  i: 'index',
  t: 'toast',
  m: 'materialized view',
  S: 'sequence',
  p: 'partitioned table',
  I: 'partitioned index',
}

/** One line per relation, in the order of names. */
export function formatRelations(relations: readonly MappedRelation[], files: readonly ShownFile[]): string {
  const sizeOf = sizesOf(files)
  const rows = relations
    .toSorted((one, other) => nameOf(one).localeCompare(nameOf(other)))
    .map((one) => {
      const { bytes, imageLsn } = sizeOf(one)
      const { tablespace, database, relfilenode } = one.file
      const kind = KINDS[one.kind] ?? one.kind
      return [
        one.database,
        `${one.schema}.${one.name}`,
        one.persistence === 'u' ? `unlogged ${kind}` : kind,
        one.tier,
        `${tablespace}/${database}/${relfilenode}`,
        formatSize(bytes),
        imageLsn ?? '-',
      ]
    })
  const columns = ['database', 'relation', 'kind', 'tier', 'file', { title: 'size', right: true }, 'image']
  return formatTable(columns, rows)
}

function nameOf({ database, schema, name }: MappedRelation): string {
  return `${database}.${schema}.${name}`
}
