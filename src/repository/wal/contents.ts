// What the WAL of a chunk consists of, as the label of its head: readers from before pass over it, and it serves predictions alone.
import type { WalContents } from '../../wal/contract.ts'

const keys = ['records', 'imageBytes', 'voidBytes', 'reads'] as const satisfies readonly (keyof WalContents)[]

export function encodeContents(contents: WalContents | undefined): Buffer {
  if (!contents) return Buffer.alloc(0)
  const { records, imageBytes, voidBytes, reads } = contents
  return Buffer.from(JSON.stringify({ records, imageBytes, voidBytes, reads }))
}

/** Undefined for a label of an older version, and of a newer one that counts otherwise. */
export function decodeContents(label: Buffer): WalContents | undefined {
  if (label.length === 0) return undefined
  let value: unknown
  try {
    value = JSON.parse(label.toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const counts = value as Readonly<Record<string, unknown>>
  const isCount = (key: string): boolean => Number.isSafeInteger(counts[key]) && (counts[key] as number) >= 0
  if (!keys.every((key) => isCount(key))) return undefined
  const { records, imageBytes, voidBytes, reads } = value as WalContents
  return { records, imageBytes, voidBytes, reads }
}
