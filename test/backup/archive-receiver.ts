// WAL into a repository from the files that the server's own archive_command left: for tests of backups that must not lean on the receiver.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Receiving } from '../../src/backup/engine/options.ts'
import { primeParser } from '../../src/backup/receiver/prime.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Repository } from '../../src/repository/contract.ts'
import { WalIndexer } from '../../src/wal/indexer.ts'
import { formatLsn, type Lsn } from '../../src/wal/lsn.ts'
import { RecordStream } from '../../src/wal/record-stream.ts'
import { parseWalFileName, segmentCeiling } from '../../src/wal/segments.ts'
import type { TestServer } from '../support/postgres.ts'

export interface ArchiveOptions {
  readonly server: Pick<TestServer, 'major' | 'psql'>
  readonly archive: string
  readonly repository: Repository
  readonly systemIdentifier: bigint
  readonly walSegmentBytes: number
}

/** One per cluster: it remembers what it has stored. */
export class ArchiveReceiver implements Receiving {
  private readonly options: ArchiveOptions
  private readonly done = new Set<string>()
  private open: { stream: RecordStream; indexer: WalIndexer; endLsn: Lsn; timeline: number } | undefined

  constructor(options: ArchiveOptions) {
    this.options = options
  }

  /** Switches segments until the server has archived what is wanted. */
  async waitUntilDurable(at: { timeline: number; lsn: Lsn }, signal: AbortSignal): Promise<void> {
    const end = segmentCeiling(at.lsn, this.options.walSegmentBytes)
    for (let tries = 0; ; tries++) {
      signal.throwIfAborted()
      await this.storeNew(signal)
      if (this.open && this.open.timeline === at.timeline && this.open.endLsn >= end) return
      if (tries > 600) throw new Error(`the archive never got ${formatLsn(end)}`)
      if (tries % 20 === 0)
        await this.options.server.psql(`select pg_switch_wal() where pg_current_wal_lsn() < '${formatLsn(end)}'`)
      await systemClock.sleep(50, signal)
    }
  }

  private async storeNew(signal: AbortSignal): Promise<void> {
    const { archive, walSegmentBytes } = this.options
    for (const name of (await readdir(archive)).toSorted()) {
      const parsed = parseWalFileName(name, walSegmentBytes)
      if (parsed?.kind === 'history') await this.storeHistory(parsed.timeline, name, signal)
      if (parsed?.kind !== 'segment' || this.done.has(name)) continue
      const bytes = await readFile(join(archive, name))
      // cp is still at it.
      if (bytes.length !== walSegmentBytes) return
      await this.storeSegment({ ...parsed, bytes }, signal)
      this.done.add(name)
    }
  }

  private async storeHistory(timeline: number, name: string, signal: AbortSignal): Promise<void> {
    if (this.done.has(name)) return
    const { repository, systemIdentifier, archive } = this.options
    const content = await readFile(join(archive, name), 'utf8')
    if (content === '') return
    await repository.wal.putHistory(systemIdentifier, timeline, content, signal)
    this.done.add(name)
  }

  private async storeSegment(
    segment: { timeline: number; startLsn: Lsn; bytes: Buffer },
    signal: AbortSignal,
  ): Promise<void> {
    const { repository, systemIdentifier, walSegmentBytes, server } = this.options
    const { timeline, startLsn, bytes } = segment
    const majorVersion = server.major
    if (this.open?.endLsn !== startLsn || this.open.timeline !== timeline)
      this.open = await this.openAt(startLsn, timeline, signal)
    const { stream, indexer } = this.open
    stream.push(bytes)
    const endLsn = startLsn + BigInt(bytes.length)
    this.open.endLsn = endLsn
    const { changeMap, commits, contents } = indexer.cut(endLsn)
    const problem = stream.problems.map((one) => `${formatLsn(one.lsn)}: ${one.message}`).join('; ') || undefined
    const chunk = {
      systemIdentifier,
      timeline,
      startLsn,
      walSegmentBytes,
      postgresVersion: majorVersion * 10_000,
      bytes,
      commits,
      contents,
      problem,
    }
    await repository.wal.put({ ...chunk, changeMap: problem === undefined ? changeMap : undefined }, signal)
  }

  /** A record may have begun in WAL that is stored already, perhaps on the timeline that this one branched off. */
  private async openAt(startLsn: Lsn, timeline: number, signal: AbortSignal): Promise<NonNullable<typeof this.open>> {
    const { repository, systemIdentifier, walSegmentBytes: segmentBytes, server } = this.options
    const majorVersion = server.major
    const shape = { systemIdentifier, majorVersion, postgresVersion: majorVersion * 10_000, segmentBytes }
    const before = { timeline: this.open?.timeline ?? timeline, lsn: startLsn }
    const primed = await primeParser(repository.wal, before, shape, signal)
    if (primed?.continues && primed.stream.synced) return { ...primed, endLsn: startLsn, timeline }
    const indexer = new WalIndexer(majorVersion, startLsn)
    const stream = new RecordStream({ startLsn, majorVersion, segmentBytes }, indexer)
    return { stream, indexer, endLsn: startLsn, timeline }
  }
}
