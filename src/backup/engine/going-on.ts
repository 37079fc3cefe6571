// A backup goes on with what interrupted ones have stored: notes what it is of for its own successors, and says which blocks need not be read.
import type { BackupWriter, Repository } from '../../repository/contract.ts'
import { healedSince } from '../../repository/healed.ts'
import { healedRelations } from '../plan/files.ts'
import type { OwnFacts } from '../plan/parent.ts'
import { chooseInterrupted, type Reuse } from '../resume/kept.ts'
import type { Noting } from '../resume/noting.ts'
import { resume, type ResumeOptions } from '../resume/resume.ts'

export interface GoingOn extends Pick<ResumeOptions, 'plan' | 'distrusted' | 'tools' | 'changesSince'> {
  readonly own: OwnFacts
  readonly warehouse: string
  readonly repository: Repository
  readonly writer: BackupWriter
  readonly noting: Noting
  /** Until all WAL before our start is in the repository; only asked where there is something to go on with. */
  readonly waitForWal: () => Promise<void>
  readonly signal: AbortSignal
}

/** What interrupted backups have stored and the source still has; undefined where that is nothing. */
export async function goOn(
  options: GoingOn,
): Promise<{ readonly reuse: ReadonlyMap<string, Reuse> | undefined; readonly notes: readonly string[] }> {
  const { own, repository, writer, signal } = options
  const { systemIdentifier, catalogVersion, dataChecksumVersion } = own.control
  const { timeline, startLsn } = own
  const state = { systemIdentifier, timeline, startLsn, catalogVersion, dataChecksums: dataChecksumVersion === 1 }
  options.noting.begin(state)
  const found = await repository.listInterrupted(options.warehouse, signal)
  const { usable, refused } = chooseInterrupted(found, state)
  const notes = refused === undefined ? [] : [refused]
  if (usable.length === 0) return { reuse: undefined, notes }
  await options.waitForWal()
  // Whatever this backup builds on: what was stored before a block was healed may hold the bad page.
  const sinceLsn = usable.reduce((least, one) => (one.startLsn < least ? one.startLsn : least), startLsn)
  const healed = await healedSince(
    repository.notices,
    { warehouse: options.warehouse, systemIdentifier, sinceLsn },
    signal,
  )
  const distrusted = [...options.distrusted, ...healedRelations({ healed })]
  const resumed = await resume({ ...options, distrusted, interrupted: usable })
  await writer.adoptPacks(resumed.packs, signal)
  return { reuse: resumed.reuse, notes: [...notes, ...resumed.notes] }
}
