// Blocks that were healed in place, as notices of a repository: no WAL tells of them, so the next backups must read them whatever the change maps say.
import { formatLsn, parseLsn, type Lsn } from '../wal/lsn.ts'
import type { Notices } from './contract.ts'

export const HEALED_BLOCK = 'healed-block'

export interface HealedBlock {
  /** Path of the segment file, as manifests have it. */
  readonly file: string
  /** Number within the segment file. */
  readonly block: number
  /** End of WAL at the server when it was healed: whatever began to be read before may hold the bad page. */
  readonly lsn: Lsn
}

interface Of {
  readonly warehouse: string
  readonly systemIdentifier: bigint
}

/** Put before the block is written: one too many costs the reading of 8 kB, one too few a wrong backup. */
export async function noteHealed(
  notices: Pick<Notices, 'put'>,
  of: Of & { readonly atMs: number; readonly healed: HealedBlock },
  signal: AbortSignal,
): Promise<void> {
  const { file, block, lsn } = of.healed
  const data = { system: of.systemIdentifier.toString(), file, block: String(block), lsn: formatLsn(lsn) }
  await notices.put({ warehouse: of.warehouse, reason: HEALED_BLOCK, atMs: of.atMs, data }, signal)
}

/** Blocks that were healed after `sinceLsn`. */
export async function healedSince(
  notices: Pick<Notices, 'list'>,
  of: Of & { readonly sinceLsn: Lsn },
  signal: AbortSignal,
): Promise<readonly HealedBlock[]> {
  const found = await notices.list(of.warehouse, signal)
  return found.flatMap(({ reason, data }) => {
    const { system, file, block, lsn } = data
    if (reason !== HEALED_BLOCK || system !== of.systemIdentifier.toString()) return []
    if (file === undefined || block === undefined || lsn === undefined) return []
    const healed = { file, block: Number(block), lsn: parseLsn(lsn) }
    return healed.lsn > of.sinceLsn ? [healed] : []
  })
}
