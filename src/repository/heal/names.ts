// Replacements of damaged objects (doc/design/repository-format.md section 8a): `healed/<n>/<name of the object>`, n from 2.
import type { ObjectStore } from '../contract.ts'

export const HEALED_PREFIX = 'healed/'
/** More replacements of one object than this were never needed: each but the last is damaged. */
export const MOST_REPLACEMENTS = 9
const NAME = /^healed\/([2-9])\/(.+)$/

export function replacementName(name: string, n: number): string {
  return `${HEALED_PREFIX}${n}/${name}`
}

/** `healed/2/packs/ab/…` → `packs/ab/…`; undefined for what is no replacement. */
export function replacedName(name: string): string | undefined {
  return NAME.exec(name)?.[2]
}

/** Names of the replacements that there are, in order. */
export async function* replacementsOf(
  name: string,
  options: { store: ObjectStore; signal: AbortSignal },
): AsyncGenerator<string> {
  for (let n = 2; n <= MOST_REPLACEMENTS; n++) {
    const one = replacementName(name, n)
    if (!(await options.store.stat(one, options))) return
    yield one
  }
}

/** The first name under which a replacement can be put. */
export async function freeName(
  name: string,
  options: { store: ObjectStore; signal: AbortSignal },
): Promise<string | undefined> {
  for (let n = 2; n <= MOST_REPLACEMENTS; n++) {
    const one = replacementName(name, n)
    if (!(await options.store.stat(one, options))) return one
  }
  return undefined
}
