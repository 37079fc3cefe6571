// Loads by two witnesses. The repository's WAL says which loads were committed up to the target; the recovered journal must have each of them, and
// none that came later.
import type { PrivateSession } from '../server/connect.ts'
import { endsTransaction } from '../target/moments.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { hasJournal } from './counts.ts'
import type { Finding, JournalProof } from './evidence.ts'

export interface LoadsByWal {
  /** Ids of loads that WAL from the backup's start to the target says were committed. */
  readonly before: ReadonlySet<string>
  /** Ids of loads that were committed only after the target. */
  readonly after: ReadonlySet<string>
}

export async function loadsByWal(resolved: ResolvedTarget, signal: AbortSignal): Promise<LoadsByWal> {
  const { stop } = resolved
  const marks = new Map<number, string>()
  const [before, after] = [new Set<string>(), new Set<string>()]
  for await (const entry of resolved.history.entries(resolved.backup.startLsn)) {
    signal.throwIfAborted()
    if (entry.kind === 'load' && entry.name !== undefined) marks.set(entry.xid, entry.name)
    if (!endsTransaction(entry)) continue
    const load = marks.get(entry.xid)
    marks.delete(entry.xid)
    if (load === undefined || entry.kind !== 'commit') continue
    const isIn = stop.kind === 'before' ? entry.startLsn < stop.lsn : entry.startLsn <= stop.lsn
    ;(isIn ? before : after).add(load)
  }
  return { before, after }
}

export interface JournalsFound {
  /** Ids in the journals of all databases. */
  readonly ids: ReadonlySet<string>
  readonly hasJournal: boolean
}

export async function readJournal(session: PrivateSession): Promise<JournalsFound> {
  if (!(await hasJournal(session))) return { ids: new Set(), hasJournal: false }
  const { rows } = await session.query<{ id: string }>('select id from wharf.load_journal')
  return { ids: new Set(rows.map((row) => row.id)), hasJournal: true }
}

/** Undefined where there is neither a journal nor a load in WAL. */
export function judgeJournal(
  wal: LoadsByWal,
  found: JournalsFound,
): { proof: JournalProof | undefined; findings: readonly Finding[]; notes: readonly string[] } {
  if (!found.hasJournal) {
    // A mark may stand in WAL without a journal: anybody may write one, and then there is nothing to hold it against.
    const { size } = wal.before
    const note = `WAL names ${size} loads that were committed before the target, and no database has a journal: they were not compared`
    return { proof: undefined, findings: [], notes: size === 0 ? [] : [note] }
  }
  const missing = [...wal.before].filter((id) => !found.ids.has(id))
  const early = [...wal.after].filter((id) => found.ids.has(id))
  const finding = (message: string): Finding => ({ check: 'journal', message })
  return {
    proof: {
      committedByWal: wal.before.size,
      inJournal: wal.before.size - missing.length,
      entries: found.ids.size,
    },
    findings: [
      ...missing.map((id) => finding(`load ${id} was committed before the target, and the recovered journal lacks it`)),
      ...early.map((id) => finding(`load ${id} was committed after the target, and the recovered journal has it`)),
    ],
    notes: [],
  }
}

/** Tables, `database.schema.table`, into which the journal of a database has loads since a time. Leaves of partitioned targets are named too. */
export async function loadedSince(
  session: PrivateSession,
  database: string,
  since: string,
): Promise<readonly string[]> {
  if (!(await hasJournal(session))) return []
  const { rows } = await session.query<{ name: string }>(
    `select distinct n.nspname || '.' || c.relname as name
       from wharf.load_journal j, unnest(j.targets) target,
            lateral (select to_regclass(quote_ident(split_part(target, '.', 1)) || '.' || quote_ident(substr(target, strpos(target, '.') + 1))) as root) r,
            lateral (select relid from pg_catalog.pg_partition_tree(r.root) union select r.root) t
       join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where j.committed_at > $1::timestamptz`,
    [since],
  )
  return rows.map((row) => `${database}.${row.name}`)
}
