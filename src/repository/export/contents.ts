// What an export says of itself, sealed with the key of its repository: the last object of the stream.
import { z } from 'zod'

import type { Lsn } from '../../wal/lsn.ts'
import type { Repository } from '../contract.ts'
import { FORMAT_OBJECT } from '../keys/store.ts'
import { MANIFEST_PREFIX } from '../manifest/store.ts'

export const CONTENTS = 'contents'

export const contentsSchema = z.strictObject({
  backup: z.string(),
  warehouse: z.string(),
  timeline: z.number(),
  fromLsn: z.string(),
  toLsn: z.string(),
  objects: z.number(),
  /** SHA-256 of the stream before this object. */
  sha256: z.string(),
})
export type Contents = z.infer<typeof contentsSchema>

/** What may be in a stream, in the order in which it is written and made visible. */
const PARTS = [
  { what: 'data', pattern: /^(packs|trimmed|maps|wal|healed)\// },
  { what: 'keys', pattern: new RegExp(`^(keys/repository-|keys/data-|${FORMAT_OBJECT}$)`) },
  { what: 'manifest', pattern: new RegExp(`^${MANIFEST_PREFIX}`) },
  { what: 'confirmation', pattern: /^confirmed\// },
] as const
export type Part = (typeof PARTS)[number]['what']

export function partOf(name: string): Part | undefined {
  return PARTS.find(({ pattern }) => pattern.test(name))?.what
}

/** The WAL from where replay begins to the stop, or as far as it goes without a hole on the backup's timeline and those after it. */
export function walSpan(
  manifest: { replayFromLsn: Lsn; startLsn: Lsn; stopLsn: Lsn },
  untilLsn: Lsn | undefined,
): { fromLsn: Lsn; toLsn: Lsn } {
  const fromLsn = manifest.replayFromLsn < manifest.startLsn ? manifest.replayFromLsn : manifest.startLsn
  return { fromLsn, toLsn: untilLsn !== undefined && untilLsn > manifest.stopLsn ? untilLsn : manifest.stopLsn }
}

/** Whether the ranges lead from one position to the other without a hole, on `timeline` or from there on to newer ones. */
export async function leads(
  repository: Pick<Repository, 'wal'>,
  of: { systemIdentifier: bigint; timeline: number; fromLsn: Lsn; toLsn: Lsn },
  signal: AbortSignal,
): Promise<Lsn> {
  const ranges = (await repository.wal.ranges(of.systemIdentifier, signal)).filter((one) => one.timeline >= of.timeline)
  let at = of.fromLsn
  let timeline = of.timeline
  while (at < of.toLsn) {
    const next = ranges.find((one) => one.timeline >= timeline && one.startLsn <= at && one.endLsn > at)
    if (!next) break
    at = next.endLsn
    timeline = next.timeline
  }
  return at
}
