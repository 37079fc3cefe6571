// Names of objects: parts joined by `/`. Parsed by parts, never searched for substrings.
import { storeErrors as errors } from '../store-errors.ts'

const PART = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/

export function isObjectName(name: string): boolean {
  return name.length > 0 && name.length <= 512 && name.split('/').every((part) => PART.test(part))
}

export function requireObjectName(name: string): string {
  if (!isObjectName(name)) throw errors.badObjectName({ name })
  return name
}

/** Byte order, which for these names is the order of `<`. */
export function compareNames(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** Whether something of `key`, an object or a folder that ends in `/`, may come after that name in a list. */
export function isBehind(key: string, after: string): boolean {
  return compareNames(key, after) > 0 || (key.endsWith('/') && after.startsWith(key))
}
