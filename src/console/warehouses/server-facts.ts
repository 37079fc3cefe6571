// Facts of `warehouse show` as lines: plain values with their names in words.
import { formatSize } from '../../base/units.ts'

/** Nested objects are opened one level; lists are counted or joined. */
export function factsOf(shown: Readonly<Record<string, unknown>>): readonly (readonly [string, string])[] {
  return Object.entries(shown).flatMap(([key, value]) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return factsOf(value as Record<string, unknown>)
    const text = textOf(key, value)
    return text === undefined ? [] : [[words(key), text] as const]
  })
}

function textOf(key: string, value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number') {
    // server_version_num: 180004 is 18.4.
    if (key === 'version') return `${Math.floor(value / 10_000)}.${value % 10_000}`
    return /bytes$/i.test(key) ? formatSize(value) : String(value)
  }
  if (typeof value === 'string' && value.length > 0) return value
  if (Array.isArray(value) && value.length > 0) return value.map(nameOf).join(', ')
  return undefined
}

function nameOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  const { name } = value as { name?: unknown }
  return typeof name === 'string' ? name : '…'
}

function words(key: string): string {
  const text = key.replaceAll(/(?<=[a-z])([A-Z])/g, ' $1').toLowerCase()
  return (text.charAt(0).toUpperCase() + text.slice(1)).replaceAll(/\b(wal|lsn|url)\b/gi, (word) => word.toUpperCase())
}
