// Whether the catalogs must be followed through WAL. That costs the reading of all WAL that touches pg_class, which is nearly all of some warehouses: only
// where the table's own row changes, its files are dropped, its partitions come and go, or it is not there yet.
import type { Repository } from '../../repository/contract.ts'
import { tupleChange } from '../../wal/heap-records.ts'
import type { WalRecord } from '../../wal/record.ts'
import type { BackupCatalog } from './backup-catalog.ts'
import { touchesCatalog } from './catalog-changes.ts'
import { classRow } from './catalog-rows.ts'
import { ChunkRecords } from './chunk-records.ts'
import type { CommittedCatalog } from './committed-catalog.ts'
import type { Survey, SurveyedChunk } from './survey.ts'

/** To be asked before WAL is read: the catalog is that of the backup. */
export async function mustFollow(
  of: { readonly catalog: BackupCatalog; readonly committed: CommittedCatalog; readonly surveyed: Survey },
  tools: { readonly repository: Pick<Repository, 'wal'>; readonly signal: AbortSignal },
): Promise<boolean> {
  const { catalog, committed } = of
  if (!committed.hasTarget) return true
  const files = [...committed.relfilenodes()]
  const inherits = catalog.pgInherits.file.relfilenode
  const isTold = ({ isOpaque, dropped, touched }: SurveyedChunk): boolean =>
    isOpaque ||
    dropped.has(catalog.pgClass.file.relfilenode) ||
    files.some((file) => dropped.has(file)) ||
    (committed.hasPartitions && touched.has(inherits))
  return of.surveyed.chunks.some(isTold) || (await isRowChanged(of, tools))
}

/** What ANALYZE and VACUUM write into the row stays in its place, and does not count. */
async function isRowChanged(
  { catalog, committed, surveyed }: Parameters<typeof mustFollow>[0],
  { repository, signal }: Parameters<typeof mustFollow>[1],
): Promise<boolean> {
  const rows = rowPlaces(catalog, new Set(committed.rows().map(({ oid }) => oid)))
  let isChanged = false
  const onRecord = (record: WalRecord): void => {
    const from = touchesCatalog(record, catalog.pgClass) ? tupleChange(record)?.from : undefined
    if (from && rows.get(from.block)?.has(from.offset)) isChanged = true
  }
  const chunks = surveyed.chunks.map(({ placed }) => placed)
  const records = new ChunkRecords({ wal: repository.wal, chunks, onRecord, signal })
  for (const [index, { classBlocks }] of surveyed.chunks.entries()) {
    signal.throwIfAborted()
    if (!classBlocks.some((block) => rows.has(block))) continue
    await records.read(index)
    if (isChanged) return true
  }
  return false
}

/** Where the rows of the relations lie in the backup: block → offsets. */
function rowPlaces(catalog: BackupCatalog, oids: ReadonlySet<number>): ReadonlyMap<number, ReadonlySet<number>> {
  const places = new Map<number, Set<number>>()
  for (const { block, offset, tuple } of catalog.pgClass.follower.tuples()) {
    const row = classRow(tuple, catalog.majorVersion)
    if (!row || !oids.has(row.oid)) continue
    const offsets = places.get(block)
    if (offsets) offsets.add(offset)
    else places.set(block, new Set([offset]))
  }
  return places
}
