// One backup in every repository of its warehouse: the server is read once, into the first repository that works; the others get a copy of it, sealed for
// them, complete and restorable without the first (design.md 6.7, P2).
import { isWharfError, messageOf } from '../base/errors.ts'
import type { Progress } from '../base/operation.ts'
import type { Clock } from '../base/clock.ts'
import { copyBackup } from '../repository/copy.ts'
import type { Repositories, Repository } from '../repository/contract.ts'
import type { WarehouseDeclaration } from '../warehouse/contract.ts'
import { backupErrors } from './errors.ts'
import type { BackupEvents } from './events.ts'
import { openReachable } from './reachable.ts'

/** A copy that was killed leaves a lease behind; it runs out within this time. */
const BUSY_LIMIT_MS = 75_000
const BUSY_PAUSE_MS = 1000

export interface Places {
  /** Where the backup is taken. */
  readonly first: Repository
  /** Where it is copied to. */
  readonly others: readonly Repository[]
  readonly away: readonly { readonly name: string; readonly error: unknown }[]
}

/** Required repositories come first, in the order in which they are named. */
export async function choosePlaces(
  all: Repositories,
  declaration: Pick<WarehouseDeclaration, 'repositories' | 'optionalRepositories'>,
  signal: AbortSignal,
): Promise<Places> {
  const { repositories, optionalRepositories } = declaration
  const isOptional = (name: string): boolean => optionalRepositories.includes(name)
  const names = [...repositories.filter((name) => !isOptional(name)), ...repositories.filter(isOptional)]
  const { opened, away } = await openReachable(all, names, signal)
  const working: Repository[] = []
  const silent: { name: string; error: unknown }[] = []
  for (const repository of opened) {
    // It may have been opened long ago: whether it can be written to is seen by asking for its time.
    const failure = await repository.store.now({ signal }).then(
      () => undefined,
      (error: unknown) => ({ name: repository.name, error }),
    )
    if (failure) silent.push(failure)
    else working.push(repository)
  }
  signal.throwIfAborted()
  const [first, ...others] = working
  if (!first) throw silent[0]!.error
  return { first, others, away: [...away, ...silent] }
}

export interface MirrorTools {
  readonly clock: Clock
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

export interface Mirrored {
  readonly repository: string
  readonly state: 'complete' | 'failed'
  readonly bytes: number
  readonly problem?: string
}

/** Never rejects for what one repository does: that is told for each. */
export async function mirror(id: string, places: Places, tools: MirrorTools): Promise<readonly Mirrored[]> {
  const done: Mirrored[] = places.away.map(({ name, error }) => ({ ...failed(name, error) }))
  for (const to of places.others) {
    try {
      const { bytes } = await copyPatiently({ id, from: places.first, to }, tools)
      done.push({ repository: to.name, state: 'complete', bytes })
    } catch (error) {
      if (tools.signal.aborted) throw error
      done.push(failed(to.name, error))
    }
  }
  return done
}

function failed(repository: string, error: unknown): Mirrored {
  return { repository, state: 'failed', bytes: 0, problem: messageOf(error) }
}

async function copyPatiently(
  of: { id: string; from: Repository; to: Repository },
  { clock, report, signal }: MirrorTools,
): Promise<{ bytes: number }> {
  const until = clock.monotonic() + BUSY_LIMIT_MS
  for (;;) {
    try {
      return await copyBackup({
        ...of,
        wal: 'all',
        signal,
        report: (event) => report({ ...event, note: `into ${of.to.name}` }),
      })
    } catch (error) {
      if (!isWharfError(error, 'repository.busy') || clock.monotonic() > until) throw error
      report({ phase: 'waiting', note: `for a lease in ${of.to.name}` })
      await clock.sleep(BUSY_PAUSE_MS, signal)
    }
  }
}

/** Alerts for each repository that failed; rejects where a required one is among them: the backup is good, but not where it must be. */
export async function settleMirror(
  id: string,
  mirrored: readonly Mirrored[],
  of: { warehouse: WarehouseDeclaration; first: string; events: BackupEvents },
): Promise<void> {
  const { warehouse, first, events } = of
  const bad = mirrored.filter((one) => one.state === 'failed')
  for (const { repository, problem } of bad) {
    const required = !warehouse.optionalRepositories.includes(repository)
    await events.emit('backup.alert', {
      reason: 'backup-not-copied',
      backup: id,
      repository,
      required,
      message: problem,
    })
  }
  const missed = bad.filter((one) => !warehouse.optionalRepositories.includes(one.repository))
  if (missed.length === 0) return
  const [one] = missed
  throw backupErrors.notEverywhere({
    id,
    complete: [first, ...mirrored.filter((each) => each.state === 'complete').map((each) => each.repository)],
    missing: missed.map((each) => each.repository),
    why: one!.problem ?? '',
  })
}
