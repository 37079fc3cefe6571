// The backup to roll forward from: the newest whose image of every wanted block is whole and not stale. A page whose write was lost has a good checksum, and a backup
// stores it as it finds it: only WAL from before the backup tells.
import type { BackupSummary, Manifest, Repository } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { pageLsn, verifyPage } from '../../wal/data-page.ts'
import type { HistoryView } from '../target/commit-index.ts'
import { liesOn, reachFrom } from '../target/history.ts'
import { segmentOf, storedPages } from './backup-pages.ts'
import { blockErrors as errors } from './errors.ts'
import { touchesInRepository } from './touches.ts'
import { keyOf, type WantedBlock } from './wanted.ts'

export interface ChosenBackup {
  readonly manifest: Manifest
  /** Why newer ones were passed over. */
  readonly passedOver: readonly string[]
}

export interface ChooseParts {
  readonly warehouse: string
  readonly repository: Repository
  readonly history: HistoryView
  readonly backups: readonly BackupSummary[]
  /** How far WAL reaches: a backup that does not lead there is of no use. */
  readonly endLsn: Lsn
  readonly blocks: readonly WantedBlock[]
  readonly signal: AbortSignal
}

export async function chooseBackup(parts: ChooseParts): Promise<ChosenBackup> {
  const { history, repository, signal } = parts
  const candidates = parts.backups
    .filter((one) => liesOn(history.spans, one))
    .sort((a, b) => (a.startLsn < b.startLsn ? 1 : -1))
  const why: string[] = []
  for (const one of candidates) {
    if (reachFrom(history.ranges, history.spans, one.replayFromLsn).endLsn < parts.endLsn) {
      why.push(`backup ${one.id}: WAL after it is missing`)
      break
    }
    const manifest = await repository.readManifest(one.id, signal)
    const fault = await faultOf(manifest, parts)
    if (fault === undefined) return { manifest, passedOver: why }
    why.push(`backup ${one.id}: ${fault}`)
  }
  throw errors.blockNoImage({ warehouse: parts.warehouse, why })
}

/** Why the backup's images will not do; undefined where they will. */
async function faultOf(manifest: Manifest, parts: ChooseParts): Promise<string | undefined> {
  const { repository, signal } = parts
  const stored = new Map<string, Lsn>()
  for (const [path, blocks] of byFile(parts.blocks)) {
    if (manifest.scratch.some((one) => one.path === path)) return `${path} is of tier scratch, which no backup holds`
    const bad = blocks.find((one) => manifest.corrupt.some((two) => two.file === path && two.block === one.inFile))
    if (bad) return `it holds block ${bad.block} of ${bad.relation} as bad`
    const file = segmentOf(manifest, path)
    if (!file) continue
    const inFile = blocks.map((one) => one.inFile)
    for await (const { block, page } of storedPages(repository, { manifest, file, blocks: inFile, signal })) {
      const one = blocks.find((two) => two.inFile === block)!
      const verdict = verifyPage(page, 0, { block: one.block, checksums: manifest.dataChecksums })
      if (verdict !== 'good' && verdict !== 'zero')
        return `its image of block ${one.block} of ${one.relation} is bad (${verdict})`
      stored.set(keyOf(one), verdict === 'zero' ? 0n : pageLsn(page, 0))
    }
  }
  return await staleIn(manifest, stored, parts)
}

/** WAL before the backup that changed the block after the image's own position: that write never reached the disk. */
async function staleIn(
  manifest: Manifest,
  stored: ReadonlyMap<string, Lsn>,
  { repository, history, blocks, signal }: ChooseParts,
): Promise<string | undefined> {
  const known = blocks.filter((one) => stored.has(keyOf(one)))
  if (known.length === 0) return undefined
  const fromLsn = known.reduce((least, one) => min(least, stored.get(keyOf(one))!), manifest.replayFromLsn)
  const touches = await touchesInRepository(known, {
    wal: repository.wal,
    chunks: history.chunks,
    fromLsn,
    toLsn: manifest.replayFromLsn,
    signal,
  })
  for (const one of known) {
    const last = touches.get(keyOf(one))
    if (last !== undefined && last > stored.get(keyOf(one))!)
      return `its image of block ${one.block} of ${one.relation} lacks the change at ${formatLsn(last)}`
  }
  return undefined
}

function min(one: Lsn, other: Lsn): Lsn {
  return other < one ? other : one
}

function byFile(blocks: readonly WantedBlock[]): Map<string, WantedBlock[]> {
  const files = new Map<string, WantedBlock[]>()
  for (const one of blocks) {
    const same = files.get(one.path)
    if (same) same.push(one)
    else files.set(one.path, [one])
  }
  return files
}
