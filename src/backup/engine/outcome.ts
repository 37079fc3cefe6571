// What an audit and the server's summaries have found, for operators: alerts, notes, and the relations that are distrusted from now on.
import { formatSize } from '../../base/units.ts'
import type { Manifest, WalArchive } from '../../repository/contract.ts'
import { collectChanges, type ChangesWanted } from '../plan/changes.ts'
import { keyOf, type FilePlan } from '../plan/files.ts'
import type { SummaryMiss } from '../server/summaries.ts'
import { parseSegmentPath } from '../source/paths.ts'
import { unexplained, type StoredFindings } from './stored.ts'

/** Something that must not wait for somebody to read a report. */
export interface BackupAlert {
  readonly reason: 'audit-mismatch' | 'audit-rotten-blocks' | 'stored-image-damaged' | 'summary-mismatch'
  readonly severity: 'critical' | 'warning'
  readonly message: string
  readonly blocks: readonly { readonly file: string; readonly blocks: readonly number[] }[]
}

export interface Outcome {
  readonly alerts: readonly BackupAlert[]
  readonly notes: readonly string[]
  readonly distrusted: Manifest['distrusted']
}

const SHOWN = 20

export interface OutcomeOptions {
  readonly backupId: string
  readonly plan: FilePlan
  readonly findings: StoredFindings | undefined
  readonly missed: readonly SummaryMiss[]
  readonly distrusted: Manifest['distrusted']
  /** WAL from our start to our stop: what it names may differ. */
  readonly since: ChangesWanted
  readonly wal: WalArchive
  readonly signal: AbortSignal
}

/** All WAL up to the stop must be in the repository. */
export async function judgeFindings(options: OutcomeOptions): Promise<Outcome> {
  const { findings } = options
  const mismatched = await confirmed(options)
  const alerts: BackupAlert[] = []
  const notes: string[] = []
  const alert = (one: BackupAlert): void => {
    alerts.push(one)
    notes.push(one.message)
  }
  if (mismatched.length > 0) alert(mismatchAlert(mismatched))
  if (findings && findings.rotten.length > 0) alert(rottenAlert(findings.rotten))
  if (findings && findings.damaged.length > 0) alert(damagedAlert(findings.damaged))
  if (options.missed.length > 0) alert(missedAlert(options.missed))
  if (findings && findings.unsureBlocks > 0)
    notes.push(
      `audit: ${findings.unsureBlocks} blocks of pages of an unknown kind differ from what is stored under the same LSN: nobody can tell whether in more than hints`,
    )
  if (findings && findings.provenBytes > 0)
    notes.push(`${formatSize(findings.provenBytes)} of static data were read back from the repository and found whole`)
  return { alerts, notes, distrusted: distrust(options, mismatched) }
}

type Blocks = readonly { readonly path: string; readonly blocks: readonly number[] }[]
const countOf = (some: Blocks): number => some.reduce((sum, one) => sum + one.blocks.length, 0)
const named = (some: Blocks): string =>
  some
    .slice(0, SHOWN)
    .map(({ path, blocks }) => `${path} (${blocks.slice(0, SHOWN).join(', ')}${blocks.length > SHOWN ? ', …' : ''})`)
    .join(', ') + (some.length > SHOWN ? ', …' : '')
const shown = (some: Blocks): BackupAlert['blocks'] =>
  some.slice(0, SHOWN).map(({ path, blocks }) => ({ file: path, blocks: blocks.slice(0, SHOWN) }))

async function confirmed(options: OutcomeOptions): Promise<Blocks> {
  const differing = options.findings?.differing ?? []
  if (differing.length === 0) return []
  const since = await collectChanges(options.wal, options.since, options.signal)
  return unexplained(differing, since.map)
}

function mismatchAlert(some: Blocks): BackupAlert {
  return {
    reason: 'audit-mismatch',
    severity: 'critical',
    message: `audit: ${countOf(some)} blocks have changed on disk without being named by WAL; they were stored anew, and their relations are read whole from now on: ${named(some)}`,
    blocks: shown(some),
  }
}

function rottenAlert(some: Blocks): BackupAlert {
  return {
    reason: 'audit-rotten-blocks',
    severity: 'critical',
    message: `audit: ${countOf(some)} blocks have gone bad on disk; the backup keeps their good images: ${named(some)}`,
    blocks: shown(some),
  }
}

function damagedAlert(some: StoredFindings['damaged']): BackupAlert {
  const list = some.slice(0, SHOWN).map(({ path, why }) => `${path}: ${why}`)
  return {
    reason: 'stored-image-damaged',
    severity: 'critical',
    message: `${some.length} stored segments are damaged in the repository and were read anew; older backups that share them need them still: ${list.join('; ')}`,
    blocks: some.slice(0, SHOWN).map(({ path }) => ({ file: path, blocks: [] })),
  }
}

function missedAlert(missed: readonly SummaryMiss[]): BackupAlert {
  const list = missed
    .slice(0, SHOWN)
    .map(({ file, fork, block }) => `${keyOf(file)} ${fork} ${block === undefined ? 'cut' : `block ${block}`}`)
  return {
    reason: 'summary-mismatch',
    severity: 'critical',
    message: `the WAL summaries of the server name ${missed.length} changes that our change map lacks; they were read as well: ${list.join(', ')}`,
    blocks: [],
  }
}

/** Those from before whose files are still there, and those found now. */
function distrust(options: OutcomeOptions, mismatched: Blocks): Manifest['distrusted'] {
  const there = new Set<string>()
  for (const { listed } of options.plan.segments) {
    const name = parseSegmentPath(listed.path)
    if (name) there.add(keyOf(name.file))
  }
  const all = new Map(
    options.distrusted.filter((one) => there.has(keyOf(one.file))).map((one) => [keyOf(one.file), one]),
  )
  for (const { path, blocks } of mismatched) {
    const { file } = parseSegmentPath(path)!
    if (all.has(keyOf(file))) continue
    const reason = `blocks ${blocks.slice(0, SHOWN).join(', ')} of ${path} differed, and no WAL named them`
    all.set(keyOf(file), { file, since: options.backupId, reason })
  }
  return [...all.values()]
}
