// Which older backup an incremental or differential one may share with.
import type { BackupSummary } from '../../repository/contract.ts'
import type { ControlData } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { isOnHistory, parseHistory, spansOf, type TimelineSpan } from '../../wal/timelines.ts'

/** What the backup that begins knows about itself. */
export interface OwnFacts {
  readonly control: ControlData
  readonly postgresVersion: number
  readonly timeline: number
  readonly startLsn: Lsn
  /** Content of the timeline's history file; empty for timeline 1. */
  readonly history: string
}

export function ownSpans(own: OwnFacts): readonly TimelineSpan[] {
  return spansOf(own.timeline, parseHistory(own.timeline, own.history))
}

/** The newest backup that qualifies; `onlyFull` for a differential one. With the reason why the newest of all does not, if so. */
export function chooseParent(
  backups: readonly BackupSummary[],
  own: OwnFacts,
  onlyFull: boolean,
): { parent: BackupSummary | undefined; refused: string | undefined } {
  const spans = ownSpans(own)
  const newestFirst = backups
    .filter((backup) => !onlyFull || backup.kind === 'full')
    .toSorted((one, other) => other.startedMs - one.startedMs)
  let refused: string | undefined
  for (const backup of newestFirst) {
    const why = whyNot(backup, own, spans)
    if (why === undefined) return { parent: backup, refused }
    refused ??= `${backup.id} ${why}`
  }
  return { parent: undefined, refused: refused ?? (onlyFull ? 'there is no full backup' : 'there is no backup') }
}

function whyNot(backup: BackupSummary, own: OwnFacts, spans: readonly TimelineSpan[]): string | undefined {
  const { control } = own
  if (backup.systemIdentifier !== control.systemIdentifier) return 'is of another cluster (system identifier)'
  const major = (version: number): number => Math.floor(version / 10_000)
  if (
    major(backup.postgresVersion) !== major(own.postgresVersion) ||
    backup.catalogVersion !== control.catalogVersion
  ) {
    return 'is of another version of PostgreSQL'
  }
  if (backup.blockBytes !== control.blockBytes || backup.walSegmentBytes !== control.walSegmentBytes)
    return 'has another block or WAL segment size'
  if (backup.dataChecksums !== (control.dataChecksumVersion === 1)) return 'has another checksum state'
  if (!isOnHistory(spans, backup.timeline, backup.stopLsn)) return 'ended on a timeline that this server has left'
  if (backup.startLsn >= own.startLsn) return 'starts after this backup: the WAL position went back'
  // Its images may be as young as its stop: ours would be mixed with what is younger than our own end. A standby can be that far behind.
  if (backup.stopLsn > own.startLsn) return 'ends after this backup starts'
  return undefined
}
