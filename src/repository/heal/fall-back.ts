// Reading what is damaged or missing from its replacement.
import { isWharfError } from '../../base/errors.ts'
import type { ReadOptions } from '../object/decode.ts'
import { replacementsOf } from './names.ts'

/** Damage of an object, or its absence: what another object can stand in for. Failures to reach the store are not. */
export function isReplaceable(error: unknown): boolean {
  return isWharfError(error) && error.exit === 'damaged' && error.code.startsWith('repository.')
}

/** `read` of the object; where that finds damage, of its replacements in turn. The first error is the one that is told. */
export async function orReplacement<T>(
  name: string,
  options: Pick<ReadOptions, 'store' | 'signal'>,
  read: (name: string) => Promise<T>,
): Promise<T> {
  try {
    return await read(name)
  } catch (error) {
    if (!isReplaceable(error)) throw error
    for await (const replacement of replacementsOf(name, options)) {
      try {
        return await read(replacement)
      } catch (failure) {
        if (!isReplaceable(failure)) throw failure
      }
    }
    throw error
  }
}
