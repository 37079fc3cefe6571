// Blocks that were healed in place, as notices of a repository: no WAL tells of them, so the next backups must read them whatever the change maps say.
import { MIB } from '../base/units.ts'
import { formatLsn, parseLsn, type Lsn } from '../wal/lsn.ts'
import type { Notice, Notices } from './contract.ts'

export const HEALED_BLOCK = 'healed-block'

/** A backup may begin after the notice is put and read the block before it is written: that is the bad one, too. */
export const HEALED_AHEAD_BYTES = BigInt(1024 * MIB)

export interface HealedBlock {
  /** Path of the segment file, as manifests have it. */
  readonly file: string
  /** Number within the segment file. */
  readonly block: number
  /** End of WAL at the server when the notice was put: whatever began to be read before, or a while later, may hold the bad page. */
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
  const data = {
    system: of.systemIdentifier.toString(),
    file,
    block: String(block),
    lsn: formatLsn(lsn + HEALED_AHEAD_BYTES),
  }
  await notices.put({ warehouse: of.warehouse, reason: HEALED_BLOCK, atMs: of.atMs, data }, signal)
}

/** Blocks that were healed after `sinceLsn`. */
export async function healedSince(
  notices: Pick<Notices, 'list'>,
  of: Of & { readonly sinceLsn: Lsn },
  signal: AbortSignal,
): Promise<readonly HealedBlock[]> {
  const found = await notices.list(of.warehouse, signal)
  return found.flatMap((notice) => healedOf(notice, of) ?? [])
}

/** A backup that is copied is a parent in its new repository, too, which must know what was healed since. */
export async function copyHealed(
  notices: { readonly from: Pick<Notices, 'list'>; readonly to: Pick<Notices, 'list' | 'put'> },
  of: Of & { readonly sinceLsn: Lsn },
  signal: AbortSignal,
): Promise<void> {
  const told = await notices.from.list(of.warehouse, signal)
  const wanted = told.filter((notice) => healedOf(notice, of) !== undefined)
  if (wanted.length === 0) return
  const known = new Set((await notices.to.list(of.warehouse, signal)).map(({ data }) => JSON.stringify(data)))
  for (const { warehouse, reason, atMs, data } of wanted)
    if (!known.has(JSON.stringify(data))) await notices.to.put({ warehouse, reason, atMs, data }, signal)
}

function healedOf({ reason, data }: Notice, of: Of & { readonly sinceLsn: Lsn }): HealedBlock | undefined {
  const { system, file, block, lsn } = data
  if (reason !== HEALED_BLOCK || system !== of.systemIdentifier.toString()) return undefined
  if (file === undefined || block === undefined || lsn === undefined) return undefined
  const healed = { file, block: Number(block), lsn: parseLsn(lsn) }
  return healed.lsn > of.sinceLsn ? healed : undefined
}
