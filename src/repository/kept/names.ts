// Names of kept loads and of the pieces of their inputs (doc/design/repository-format.md section 7d).
import { createHmac } from 'node:crypto'

import type { KeyRingSeed } from '../keys/ring.ts'

export const KEPT_PREFIX = 'loads/'
export const INPUT_PREFIX = 'inputs/'
/** More objects of one content than this were never needed: each but the last is damaged, or about to go. */
export const MOST_OF_A_PIECE = 99

const KEPT = /^loads\/([A-Za-z0-9_-]+)\/([A-Za-z0-9_-]+)$/
const INPUT = /^inputs\/([0-9a-f]{2})\/(\1[0-9a-f]{62})-([1-9]\d?)$/

export function keptName(warehouse: string, id: string): string {
  return `${KEPT_PREFIX}${warehouse}/${id}`
}

export function parseKeptName(name: string): { warehouse: string; id: string } | undefined {
  const match = KEPT.exec(name)
  return match ? { warehouse: match[1]!, id: match[2]! } : undefined
}

/** `key`: what stands for the content. */
export function parseInputName(name: string): { key: string; n: number } | undefined {
  const match = INPUT.exec(name)
  return match ? { key: match[2]!, n: Number(match[3]) } : undefined
}

/** What a piece is called, without its number; secret content is not told from its name. */
export function inputKey(sha256: string, seed: KeyRingSeed): string {
  const [lowest] = seed.dataKeys.toSorted((one, other) => one.number - other.number)
  const secret = lowest?.key ?? Buffer.from(seed.repositoryId, 'hex')
  const key = createHmac('sha256', secret).update('wharfinger names of inputs 1').digest()
  return createHmac('sha256', key).update(Buffer.from(sha256, 'hex')).digest('hex')
}

export function inputName(key: string, n: number): string {
  return `${INPUT_PREFIX}${key.slice(0, 2)}/${key}-${n}`
}
