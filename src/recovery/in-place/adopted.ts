// A copy that was opened, and that users were moved to, is the warehouse now: its WAL is saved, and its configuration kept, as of any other.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { WalArchive } from '../../repository/contract.ts'
import { historyName } from '../../wal/segments.ts'
import { parseHistory } from '../../wal/timelines.ts'
import type { TargetCluster } from './inspect.ts'
import { ownSegments, type WalShape } from './own-wal.ts'

/**
 * Whether the repository has WAL that this server wrote after it was opened. Number and history of the timeline do not tell: a copy and the warehouse itself, both
 * recovered to the end of the same WAL, open timelines of one number and one history. Their first records differ, since they carry the time.
 */
export async function isWarehouseNow(
  { control, root, isOpened }: TargetCluster,
  { wal, shape, signal }: { wal: Pick<WalArchive, 'segment'>; shape: WalShape; signal: AbortSignal },
): Promise<boolean> {
  if (!isOpened || control === undefined || control.timeline < 2) return false
  const { timeline } = control
  const folder = join(root, 'pg_wal')
  const history = await readFile(join(folder, historyName(timeline)), 'utf8').catch(() => undefined)
  const openedLsn = history === undefined ? undefined : parseHistory(timeline, history).at(-1)?.switchLsn
  if (openedLsn === undefined) return false
  const { segments } = await ownSegments(folder, shape)
  for (const { name, path, startLsn } of segments.filter((one) => one.timeline === timeline).toReversed()) {
    const fromLsn = startLsn > openedLsn ? startLsn : openedLsn
    // One that cannot be read tells nothing; an older one may.
    const stored = await wal.segment(shape.systemIdentifier, name, signal, fromLsn + 1n).catch(() => undefined)
    signal.throwIfAborted()
    if (stored?.endLsn === undefined || stored.endLsn <= fromLsn) continue
    const [from, to] = [Number(fromLsn - startLsn), Number(stored.endLsn - startLsn)]
    return (await readFile(path)).subarray(from, to).equals(stored.bytes.subarray(from, to))
  }
  return false
}
