// What a drill looks at in a warehouse that stands at its target, behind closed doors.
import { isWharfError } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import { DAY_MS } from '../../base/units.ts'
import { connectTo, type PrivateServer } from '../server/connect.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import type { DrillPolicy } from './config.ts'
import { changedWithoutLoad, countTables, type CountsWanted } from './counts.ts'
import type { CountedTable, DrillProof, Evidence, Finding } from './evidence.ts'
import { judgeJournal, loadedSince, loadsByWal, readJournal } from './journal.ts'
import { runQueries, type Covered } from './queries.ts'
import { checkVisibility } from './visibility.ts'

export interface InspectParts {
  readonly resolved: ResolvedTarget
  readonly databases: readonly string[]
  readonly counts: CountsWanted
  readonly visibility: boolean
  readonly checks: DrillPolicy['checks']
  /** The newest drill of this warehouse that passed: what has changed since without a load is noted. */
  readonly before: Evidence | undefined
  /** Of a drill of a part; undefined: everything is there. */
  readonly covered?: (Covered & { readonly allJournals: boolean }) | undefined
  readonly signal: AbortSignal
  readonly report: (event: Progress) => void
}

export interface Inspected {
  readonly proof: Pick<DrillProof, 'visibility' | 'journal' | 'counts' | 'queries'>
  readonly findings: readonly Finding[]
  readonly notes: readonly string[]
}

/** Of WAL that nobody can decode replay may make something all the same: then there is nothing to hold the journals against. */
async function byWal(
  seen: Awaited<ReturnType<typeof inDatabases>>,
  { resolved, signal }: InspectParts,
): Promise<Pick<ReturnType<typeof judgeJournal>, 'proof' | 'findings' | 'notes'>> {
  try {
    return judgeJournal(await loadsByWal(resolved, signal), {
      ids: new Set(seen.flatMap((one) => [...one.journal.ids])),
      hasJournal: seen.some((one) => one.journal.hasJournal),
    })
  } catch (error) {
    if (!isWharfError(error, 'recovery.undecoded')) throw error
    return { proof: undefined, findings: [], notes: [`loads were not compared with WAL: ${error.message}`] }
  }
}

export async function inspect(server: PrivateServer, parts: InspectParts): Promise<Inspected> {
  const { report } = parts
  const seen = await inDatabases(server, parts)
  report({ phase: 'comparing loads' })
  // WAL does not say of which database a load is.
  const unjudged = parts.covered?.allJournals === false
  const journal = unjudged
    ? {
        proof: undefined,
        findings: [],
        notes: ['loads were not compared with WAL: other databases have journals, too'],
      }
    : await byWal(seen, parts)
  report({ phase: 'running check queries' })
  const queries = await runQueries(server, parts.checks, parts)
  const counts = seen.flatMap((one) => one.counts)
  const loaded = new Set(seen.flatMap((one) => one.loaded))
  const withoutExtension = seen.filter((one) => one.visibility && !one.visibility.hasExtension)
  return {
    proof: {
      visibility: parts.visibility
        ? {
            tables: seen.reduce((sum, one) => sum + (one.visibility?.tables ?? 0), 0),
            withoutExtension: withoutExtension.map((one) => one.database),
          }
        : null,
      journal: journal.proof ?? null,
      counts,
      queries: queries.results,
    },
    findings: [...seen.flatMap((one) => one.visibility?.findings ?? []), ...journal.findings, ...queries.findings],
    notes: [
      ...journal.notes,
      ...queries.notCovered.map((name) => `check "${name}" was not run: it needs tables that are not critical`),
      ...(parts.before === undefined ? [] : changedWithoutLoad(counts, parts.before.proof.counts, loaded)),
    ],
  }
}

interface SeenDatabase {
  readonly database: string
  readonly visibility: Awaited<ReturnType<typeof checkVisibility>> | undefined
  readonly counts: readonly CountedTable[]
  readonly journal: Awaited<ReturnType<typeof readJournal>>
  readonly loaded: readonly string[]
}

async function inDatabases(server: PrivateServer, parts: InspectParts): Promise<readonly SeenDatabase[]> {
  const { signal, report, before } = parts
  const seen: SeenDatabase[] = []
  for (const database of parts.databases) {
    signal.throwIfAborted()
    await using session = await connectTo(server, database)
    report({ phase: 'looking at tables', note: database })
    seen.push({
      database,
      visibility: parts.visibility ? await checkVisibility(session, database, { signal }) : undefined,
      counts: await countTables(session, { database, wanted: parts.counts, leftOut: parts.covered?.leftOut, signal }),
      journal: await readJournal(session),
      loaded: before === undefined ? [] : await loadedSince(session, database, sinceOf(before)),
    })
  }
  return seen
}

/** Its target may be older than its start: what was loaded in between must not look like a change without a load. */
function sinceOf(before: Evidence): string {
  return new Date(Date.parse(before.startedAt) - DAY_MS).toISOString()
}
