// Takes objects out of their tombstones again, as long as there is time.
import { formatTime } from '../../base/clock.ts'
import { timedId } from '../../base/random.ts'
import { errors } from '../errors.ts'
import type { ReadOptions } from '../object/decode.ts'
import { revivalName } from './names.ts'
import { MARGIN_MS, putRevival, type Standing, type Tombstone } from './standing.ts'

/** Rejects with `repository.too-late-to-revive`; then nothing is revived. `what` is for the message. */
export async function revive(
  names: Iterable<string>,
  why: { readonly by: string; readonly reason: string; readonly what: string; readonly standing: Standing },
  options: ReadOptions,
): Promise<readonly string[]> {
  const wanted = new Set(names)
  const of = why.standing.tombstones.filter((one) => one.objects.some((name) => wanted.has(name)))
  const tombstones = of.filter((one) =>
    one.objects.some((name) => wanted.has(name) && !why.standing.isRevived(one, name)),
  )
  if (tombstones.length === 0) return []
  const named = new Set(tombstones.flatMap((one) => one.objects.filter((name) => wanted.has(name))))
  demandTime(tombstones, why.what, await options.store.now(options))
  const id = timedId(await options.store.now(options))
  const objects = [...named].sort()
  await putRevival(
    { revival: id, tombstones: tombstones.map((one) => one.tombstone), objects, by: why.by, reason: why.reason },
    options,
  )
  // What counts is when the store got it.
  const info = await options.store.stat(revivalName(id), options)
  demandTime(tombstones, why.what, info?.modifiedMs ?? Infinity)
  return objects
}

function demandTime(tombstones: readonly Tombstone[], what: string, nowMs: number): void {
  const first = Math.min(...tombstones.map((one) => one.matureMs))
  if (nowMs >= first - MARGIN_MS) throw errors.tooLateToRevive({ what, until: formatTime(first) })
}
