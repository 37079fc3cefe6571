// The `protection` service: what the repositories can serve, asked of them, not of the control database (P4).
import type { Context } from '../../base/room.ts'
import {
  repositories,
  type BackupSummary,
  type Repositories,
  type Repository,
  type WalChunkInfo,
  type WalRange,
} from '../../repository/contract.ts'
import type { TimelineStep } from '../../wal/contract.ts'
import { parseHistory } from '../../wal/timelines.ts'
import { warehouses, type Warehouses } from '../../warehouse/contract.ts'
import type { OverdueCheck, Protection, RecoverableRange, WalStatus } from '../contract.ts'
import { lookForOverdue } from '../overdue-checks.ts'
import { openReachable } from '../reachable.ts'
import { recoverableRanges } from './window.ts'

export interface ProtectionParts {
  readonly context: Context
  readonly warehouses: Warehouses
  readonly repositories: Repositories
  readonly walStatus: (warehouse: string, signal: AbortSignal) => Promise<readonly WalStatus[]>
}

export async function buildProtection(context: Context, walStatus: ProtectionParts['walStatus']): Promise<Protection> {
  return new RepositoryProtection({
    context,
    warehouses: await context.use(warehouses),
    repositories: await context.use(repositories),
    walStatus,
  })
}

class RepositoryProtection implements Protection {
  private readonly parts: ProtectionParts

  constructor(parts: ProtectionParts) {
    this.parts = parts
  }

  warehouses(): ReturnType<Protection['warehouses']> {
    return this.parts.warehouses.list().map(({ name, repositories }) => ({ name, repositories }))
  }

  walStatus(warehouse: string, signal: AbortSignal): Promise<readonly WalStatus[]> {
    return this.parts.walStatus(warehouse, signal)
  }

  async backups(warehouse: string, signal: AbortSignal): ReturnType<Protection['backups']> {
    const found: (BackupSummary & { repository: string })[] = []
    for (const repository of await this.open(warehouse, signal)) {
      for (const one of await completeBackups(repository, warehouse, signal))
        found.push({ ...one, repository: repository.name })
    }
    return found.toSorted((one, other) => one.startedMs - other.startedMs)
  }

  async recoverableWindow(warehouse: string, signal: AbortSignal): Promise<readonly RecoverableRange[]> {
    const found: RecoverableRange[] = []
    for (const repository of await this.open(warehouse, signal))
      found.push(...(await windowOf(repository, warehouse, signal)))
    return found
  }

  async walRanges(warehouse: string, signal: AbortSignal): Promise<readonly WalRange[]> {
    const found: WalRange[] = []
    for (const repository of await this.open(warehouse, signal)) {
      const newest = (await completeBackups(repository, warehouse, signal)).at(-1)
      if (newest) found.push(...(await repository.wal.replayable(newest.systemIdentifier, signal)))
    }
    return found
  }

  async overdueChecks(warehouse: string, signal: AbortSignal): Promise<readonly OverdueCheck[]> {
    const found: OverdueCheck[] = []
    for (const repository of await this.open(warehouse, signal)) {
      const one = await lookForOverdue(repository, this.parts.context, signal)
      if (one) found.push(one)
    }
    return found
  }

  async unlogged(
    warehouse: string,
    signal: AbortSignal,
  ): Promise<{ readonly relations: number; readonly bytes: number }> {
    const newest = (await this.backups(warehouse, signal)).at(-1)
    if (!newest) return { relations: 0, bytes: 0 }
    const repository = await this.parts.repositories.open(newest.repository, signal)
    const { unlogged } = await repository.readManifest(newest.id, signal)
    const files = new Set(unlogged.map(({ path }) => path.replace(/(_(fsm|vm))?(\.\d+)?$/, '')))
    return { relations: files.size, bytes: unlogged.reduce((bytes, one) => bytes + one.bytes, 0) }
  }

  private async open(warehouse: string, signal: AbortSignal): Promise<readonly Repository[]> {
    const { declaration } = this.parts.warehouses.get(warehouse)
    return (await openReachable(this.parts.repositories, declaration.repositories, signal)).opened
  }
}

/** Those whose manifest can be read; a damaged one serves nothing, and `backup list` names it. */
async function completeBackups(
  repository: Repository,
  warehouse: string,
  signal: AbortSignal,
): Promise<readonly BackupSummary[]> {
  return await repository.listBackups(signal, { warehouse, onDamaged: () => {} })
}

async function windowOf(
  repository: Repository,
  warehouse: string,
  signal: AbortSignal,
): Promise<readonly RecoverableRange[]> {
  const backups = await completeBackups(repository, warehouse, signal)
  const found: RecoverableRange[] = []
  for (const systemIdentifier of new Set(backups.map((one) => one.systemIdentifier))) {
    const ranges = await repository.wal.replayable(systemIdentifier, signal)
    const chunks = await repository.wal.list(systemIdentifier, signal)
    const histories = new Map<number, readonly TimelineStep[]>()
    for (const timeline of new Set(ranges.map((range) => range.timeline))) {
      const content = timeline === 1 ? '' : await repository.wal.history(systemIdentifier, timeline, signal)
      if (content !== undefined) histories.set(timeline, parseHistory(timeline, content))
    }
    const own = backups.filter((one) => one.systemIdentifier === systemIdentifier)
    found.push(
      ...recoverableRanges({ backups: own, ranges, histories, endTimeOf: (range) => lastArrival(range, chunks) }),
    )
  }
  return found
}

/** When the store got the last of a range: all that was committed by then, and reported to us, is in it. */
function lastArrival(range: WalRange, chunks: readonly WalChunkInfo[]): number {
  let newest = 0
  for (const chunk of chunks) {
    if (chunk.timeline === range.timeline && chunk.endLsn <= range.endLsn && chunk.startLsn >= range.startLsn) {
      newest = Math.max(newest, chunk.modifiedMs)
    }
  }
  return newest
}
