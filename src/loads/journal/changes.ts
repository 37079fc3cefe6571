// What a load did to which tables, as PostgreSQL itself counts it.
import type { Session } from '../../warehouse/contract.ts'

/** Partitions count for their root: names are `schema.table`. */
export interface Changes {
  /** Root → rows inserted, updated and deleted; 0 where an unlogged table was emptied, made or changed as a whole. */
  readonly written: ReadonlyMap<string, bigint>
  /** Tables that were written whose storage is not logged, with their roots; and those whose storage is. */
  readonly unlogged: readonly { readonly relation: string; readonly root: string }[]
  readonly logged: readonly string[]
  /** Tables that were read and not written. */
  readonly read: readonly string[]
  /** Tables of which rows were read, written or not, with their roots. An index that is made reads its table. */
  readonly scanned: ReadonlySet<string>
}

interface Row {
  readonly relation: string
  readonly root: string
  readonly unlogged: boolean
  readonly written: string
  readonly scans: string
  readonly held: boolean
}

export type Counts = ReadonlyMap<string, Row>

/**
 * Counters of this session that it has not reported yet, so twice: before and after the work. TRUNCATE counts no rows, but leaves its lock: an unlogged table that is
 * locked like that is taken as written.
 */
export async function tableCounts(session: Session): Promise<Counts> {
  const rows = await session.query<Row>(
    `with held as (select relation from pg_locks where pid = pg_backend_pid() and locktype = 'relation' and mode = 'AccessExclusiveLock')
     select n.nspname || '.' || c.relname as relation, rn.nspname || '.' || rc.relname as root, c.relpersistence = 'u' as unlogged,
            (s.n_tup_ins + s.n_tup_upd + s.n_tup_del)::text as written, (s.seq_scan + coalesce(s.idx_scan, 0))::text as scans,
            c.relpersistence = 'u' and c.oid in (select relation from held) as held
       from pg_stat_xact_user_tables s join pg_class c on c.oid = s.relid join pg_namespace n on n.oid = c.relnamespace
       join pg_class rc on rc.oid = coalesce(pg_partition_root(c.oid), c.oid) join pg_namespace rn on rn.oid = rc.relnamespace
      where n.nspname <> 'wharf' and c.relpersistence <> 't'
        and (s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0 or s.seq_scan > 0 or s.idx_scan > 0
             or (c.relpersistence = 'u' and c.oid in (select relation from held)))`,
  )
  return new Map(rows.map((row) => [row.relation, row]))
}

export function changes(before: Counts, after: Counts): Changes {
  const written = new Map<string, bigint>()
  const unlogged: { relation: string; root: string }[] = []
  const logged: string[] = []
  const read: string[] = []
  const scanned = new Set<string>()
  for (const row of after.values()) {
    const earlier = before.get(row.relation)
    const count = BigInt(row.written) - BigInt(earlier?.written ?? 0)
    const isScanned = BigInt(row.scans) > BigInt(earlier?.scans ?? 0)
    if (isScanned) scanned.add(row.relation).add(row.root)
    const isWritten = count !== 0n || (row.held && earlier?.held !== true)
    if (isWritten) {
      written.set(row.root, (written.get(row.root) ?? 0n) + count)
      if (row.unlogged) unlogged.push({ relation: row.relation, root: row.root })
      else logged.push(row.relation)
    } else if (isScanned) read.push(row.relation)
  }
  return { written, unlogged, logged: logged.sort(), read: read.sort(), scanned }
}
