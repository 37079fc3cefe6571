// What is proven by recoveries and drills that were carried out, from the records and the evidence of this home.
import { readArchive } from '../drills/archive.ts'
import { findingText } from '../drills/damage.ts'
import type { DrillStanding, LastProof } from '../contract.ts'
import { readRecords, type RecoveryRecord } from './times.ts'

/** What brings back a table or a block proves nothing of the rest. Drills have evidence of their own. */
function isWhole({ way }: RecoveryRecord): boolean {
  return way === undefined || way === 'node' || way === 'in-place'
}

/** The newest recovery that was verified: by hand, or as a drill that passed. */
export async function lastProofOf(home: string, warehouse: string): Promise<LastProof | undefined> {
  const [records, { drills }] = await Promise.all([readRecords(home), readArchive(home)])
  const recovered = records
    .filter((one) => one.warehouse === warehouse && one.verified && isWhole(one))
    .map(({ at, backup, durationMs }) => ({ at, backup, durationMs, by: 'recovery' as const }))
  const drilled = drills.flatMap(({ evidence, problems }) =>
    evidence?.warehouse === warehouse &&
    evidence.tier === 'all' &&
    evidence.outcome === 'passed' &&
    problems.length === 0
      ? [
          {
            at: evidence.finishedAt,
            backup: evidence.backup ?? '',
            durationMs: evidence.recoveryMs ?? evidence.durationMs,
            by: 'drill' as const,
          },
        ]
      : [],
  )
  return [...recovered, ...drilled].toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at)).at(-1)
}

/** Findings that say nothing against the backup itself. */
const lighter: ReadonlySet<string> = new Set(['environment', 'query'])

/** Whether the newest drill that came to an end found something, and whether evidence was edited. */
export async function drillStandingOf(home: string, warehouse: string): Promise<DrillStanding> {
  const { drills, problems } = await readArchive(home)
  const own = drills.filter(({ evidence }) => evidence?.warehouse === warehouse)
  // One that passed counts if it is as it was written: nobody can write one over a failure.
  const ended = own.flatMap(({ evidence, problems: edits }) =>
    evidence!.outcome === 'failed' || (evidence!.outcome === 'passed' && edits.length === 0) ? [evidence!] : [],
  )
  // One of a tier that passed proves nothing of the rest: what failed before it stands until a whole one passes.
  const whole = ended.findLast((one) => one.tier === 'all')
  const last = whole?.outcome === 'failed' && ended.at(-1)?.outcome === 'passed' ? whole : ended.at(-1)
  const edited = drills
    .filter((one) => one.problems.length > 0 && (one.evidence === undefined || one.evidence.warehouse === warehouse))
    .map((one) => `drill ${one.evidence?.id ?? `number ${one.number}`}: ${one.problems.join('; ')}`)
  return {
    count: own.length,
    last: last && {
      id: last.id,
      at: last.finishedAt,
      outcome: last.outcome === 'failed' ? 'failed' : 'passed',
      grave: last.findings.some((one) => !lighter.has(one.check)),
      findings: last.findings.map(findingText),
    },
    evidenceProblems: [...edited, ...problems],
  }
}
