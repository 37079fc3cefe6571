// A repository that does not get WAL as it comes: one that is not required, or one whose store was away. It is caught up from the others, chunk by
// chunk, and never holds up receiving.
import type { Clock } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Repository, WalChunkInfo } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { Member } from './members.ts'
import type { WalPosition } from './resume.ts'
import { settleNewest } from './settle.ts'
import { has } from './store-queue.ts'

const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 30_000
/** More chunks than this are looked up in the repositories instead of being remembered. */
const MOST_PENDING = 10_000

export interface LaggardParts {
  readonly member: Member
  readonly warehouse: string
  readonly systemIdentifier: bigint
  readonly clock: Clock
  readonly log: Log
  /** Repositories that keep up; may be none for a while. */
  readonly sources: () => readonly Repository[]
  readonly onPosition: (position: WalPosition) => void
  /** Called with undefined when it works again. */
  readonly onTrouble: (error: unknown) => void
  /** It holds all that there is. True where it need not be followed any more. */
  readonly onCaughtUp: (repository: Repository, position: WalPosition) => Promise<boolean>
}

export class Laggard {
  private readonly parts: LaggardParts
  private readonly stop = new AbortController()
  private readonly ended: Promise<void>
  /** Stored elsewhere since the last look; undefined: everything must be looked through. */
  private pending: WalChunkInfo[] | undefined
  private wakeUp: (() => void) | undefined
  private position: WalPosition | undefined

  constructor(parts: LaggardParts) {
    this.parts = parts
    this.ended = this.follow()
  }

  /** A chunk that another repository has now. */
  tell(info: WalChunkInfo): void {
    if (this.pending && this.pending.length >= MOST_PENDING) this.pending = undefined
    this.pending?.push(info)
    this.wakeUp?.()
  }

  async end(): Promise<void> {
    this.stop.abort(new Error('the receiver has ended'))
    this.wakeUp?.()
    await this.ended
  }

  private async follow(): Promise<void> {
    const { clock, log, member, warehouse } = this.parts
    const { signal } = this.stop
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        const repository = await member.open(signal)
        await settleNewest(repository, { systemIdentifier: this.parts.systemIdentifier, signal })
        for (;;) {
          const moved = await this.catchUp(repository, signal)
          if (moved) tries = 0
          if (this.position && (await this.parts.onCaughtUp(repository, this.position))) return
          await this.somethingNew(signal)
        }
      } catch (error) {
        if (signal.aborted) return
        this.pending = undefined
        log.warn({ warehouse, repository: member.name }, `WAL is not kept there now: ${messageOf(error)}`)
        this.parts.onTrouble(error)
        await clock.sleep(Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** tries), signal).catch(() => {})
      }
    }
  }

  private async somethingNew(signal: AbortSignal): Promise<void> {
    if (!signal.aborted && this.pending?.length === 0) await new Promise<void>((resolve) => (this.wakeUp = resolve))
    this.wakeUp = undefined
    signal.throwIfAborted()
  }

  /** True where it holds more than before. */
  private async catchUp(repository: Repository, signal: AbortSignal): Promise<boolean> {
    const [source] = this.parts.sources()
    if (source === undefined) {
      await this.parts.clock.sleep(FIRST_DELAY_MS, signal)
      return false
    }
    const told = this.pending
    this.pending = []
    const missing = told ?? (await missingWal(source, repository, { ...this.parts, signal }))
    if (!told) await this.copyHistories(source, repository, signal)
    for (const info of missing) await this.copy(info, repository, signal)
    if (!told) {
      // Only now: what it held before may lie behind a hole that has just been filled.
      const last = (await repository.wal.ranges(this.parts.systemIdentifier, signal)).at(-1)
      if (last && !has(this.position, last.timeline, last.endLsn))
        this.move({ timeline: last.timeline, lsn: last.endLsn })
      this.parts.onTrouble(undefined)
    }
    return missing.length > 0
  }

  private async copy(info: WalChunkInfo, repository: Repository, signal: AbortSignal): Promise<void> {
    const { log, member, warehouse } = this.parts
    try {
      await repository.wal.put(await readFrom(this.parts.sources(), info, signal), signal)
    } catch (error) {
      // Damaged where it comes from: the check tells of it, and the WAL behind it is worth having.
      if (!isWharfError(error, 'repository.damaged-object')) throw error
      log.error({ warehouse, repository: member.name, object: info.object }, messageOf(error))
    }
    if (!has(this.position, info.timeline, info.endLsn)) this.move({ timeline: info.timeline, lsn: info.endLsn })
  }

  private move(position: WalPosition): void {
    this.position = position
    this.parts.onPosition(position)
  }

  private async copyHistories(source: Repository, repository: Repository, signal: AbortSignal): Promise<void> {
    const { systemIdentifier } = this.parts
    const timelines = new Set((await source.wal.ranges(systemIdentifier, signal)).map((range) => range.timeline))
    for (const timeline of timelines) {
      const content = timeline === 1 ? undefined : await source.wal.history(systemIdentifier, timeline, signal)
      if (content !== undefined) await repository.wal.putHistory(systemIdentifier, timeline, content, signal)
    }
  }
}

async function readFrom(sources: readonly Repository[], info: WalChunkInfo, signal: AbortSignal) {
  let failure: unknown = new Error('no repository keeps up')
  for (const source of sources) {
    try {
      return await source.wal.read(info, signal)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

/**
 * What `source` has and `target` lacks, oldest first, from where `target` needs it: the start of its oldest backup, else where its own WAL begins. An
 * empty repository begins with the newest chunk: older WAL serves it nothing, and what a backup needs comes with the backup.
 */
async function missingWal(
  source: Repository,
  target: Repository,
  of: { warehouse: string; systemIdentifier: bigint; signal: AbortSignal },
): Promise<readonly WalChunkInfo[]> {
  const { warehouse, systemIdentifier, signal } = of
  const chunks = await source.wal.list(systemIdentifier, signal)
  const ranges = await target.wal.ranges(systemIdentifier, signal)
  const backups = await target.listBackups(signal, { warehouse, onDamaged: () => {} })
  const starts = [
    ...backups.filter((one) => one.systemIdentifier === systemIdentifier).map((one) => one.startLsn),
    ...ranges.map((range) => range.startLsn),
  ]
  const newest = chunks.at(-1)?.startLsn ?? 0n
  const from = starts.reduce<Lsn>((least, lsn) => (lsn < least ? lsn : least), starts[0] ?? newest)
  return chunks.filter(
    (chunk) =>
      chunk.endLsn > from &&
      !ranges.some(
        (range) =>
          range.timeline === chunk.timeline && range.startLsn <= chunk.startLsn && range.endLsn >= chunk.endLsn,
      ),
  )
}
