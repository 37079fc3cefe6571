// Which objects a check looks at, and how closely. Pure.
import type { ObjectInfo } from '../contract.ts'
import type { Depth, Level } from './findings.ts'
import { lastOf, type LastChecked } from './records.ts'

/** Objects that hold what a restore needs; the rest is small and always read. */
const CONTENT = /^(packs|trimmed|maps|manifests|wal|copies|loads|inputs)\//

export interface Due {
  readonly levels: ReadonlyMap<string, Level>
  readonly bytes: number
}

/**
 * structure and all: everything. share: what was never looked at by its structure; and of all content that share of the bytes in full which was read
 * in full longest ago, at least one object.
 */
export function chooseDue(
  objects: readonly ObjectInfo[],
  checked: ReadonlyMap<string, LastChecked>,
  how: { depth: Depth; share: number },
): Due {
  const content = objects.filter(({ name }) => CONTENT.test(name))
  const levels = new Map<string, Level>()
  if (how.depth !== 'share') {
    for (const { name } of content) levels.set(name, how.depth)
    return { levels, bytes: content.reduce((sum, one) => sum + one.bytes, 0) }
  }
  let bytes = 0
  for (const { name } of content) if (lastOf(checked.get(name)) === 0) levels.set(name, 'structure')
  const age = (one: ObjectInfo): number => checked.get(one.name)?.allMs ?? 0
  const order = content.toSorted((one, other) => age(one) - age(other) || one.modifiedMs - other.modifiedMs)
  const budget = content.reduce((sum, one) => sum + one.bytes, 0) * how.share
  for (const one of order) {
    if (bytes >= budget && bytes > 0) break
    levels.set(one.name, 'all')
    bytes += one.bytes
  }
  return { levels, bytes }
}
