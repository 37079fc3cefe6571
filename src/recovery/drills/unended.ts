// Drills of this home that have no evidence yet, for whoever lists or judges them.
import type { Context } from '../../base/room.ts'
import type { Archive } from './archive.ts'
import type { Here } from './audited.ts'
import { unendedDrills, type UnendedDrill } from './marks.ts'

export async function unendedHere(
  context: Context,
  { drills }: Pick<Archive, 'drills'>,
): Promise<readonly UnendedDrill[]> {
  const kept = new Set(drills.flatMap(({ evidence }) => evidence?.id ?? []))
  return await unendedDrills(context.home, context.environment.hostname, kept)
}

export function hereOf({ environment, home }: Context, unended: readonly UnendedDrill[]): Here {
  return { host: environment.hostname, home, unended: new Set(unended.map((one) => one.id)) }
}
