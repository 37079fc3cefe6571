// Check of what lies over objects: newer versions and delete markers. Nothing of ours ever puts one, so each is somebody's attempt.
import type { ObjectStore, ObjectVersion } from '../contract.ts'
import { storeErrors as errors } from '../store-errors.ts'
import type { Findings } from './findings.ts'

export async function checkVersions(
  at: { store: ObjectStore; signal: AbortSignal },
  findings: Findings,
): Promise<void> {
  if (!at.store.abilities.versions) return
  let group: ObjectVersion[] = []
  const settle = async (): Promise<void> => {
    const found = findingOf(group)
    if (found) await findings.attempt(group[0]!.name, () => Promise.reject(found))
    group = []
  }
  for await (const one of at.store.versions('', at)) {
    if (group.length > 0 && group[0]!.name !== one.name) await settle()
    group.push(one)
  }
  await settle()
}

/** `group`: all versions of one name, newest first. */
function findingOf(group: readonly ObjectVersion[]): Error | undefined {
  const stored = group.filter((one) => !one.isDeleteMarker)
  const [newest] = group
  // Markers alone hide nothing.
  if (!newest || stored.length === 0) return undefined
  const { name } = newest
  const place = { place: { object: name } }
  if (newest.isDeleteMarker) return errors.deleteMarked({ name, newer: stored.length - 1 }, place)
  return stored.length > 1 ? errors.shadowed({ name, newer: stored.length - 1 }, place) : undefined
}
