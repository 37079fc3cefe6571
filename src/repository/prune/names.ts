// Names of the objects that have to do with deletion, and of those that it may touch. Parsed by their parts.
const ID = /^[A-Za-z0-9_-]+$/
export const TOMBSTONE_PREFIX = 'tombstones/'
export const REVIVAL_PREFIX = 'revived/'
export const HOLD_PREFIX = 'holds/'
const RELEASED = '.released'
export const READER_PREFIX = 'readers/'

function idUnder(prefix: string, name: string): string | undefined {
  const id = name.startsWith(prefix) ? name.slice(prefix.length) : ''
  return ID.test(id) ? id : undefined
}

export const tombstoneName = (id: string): string => `${TOMBSTONE_PREFIX}${id}`
export const parseTombstoneName = (name: string): string | undefined => idUnder(TOMBSTONE_PREFIX, name)
export const revivalName = (id: string): string => `${REVIVAL_PREFIX}${id}`
export const parseRevivalName = (name: string): string | undefined => idUnder(REVIVAL_PREFIX, name)
export const holdName = (id: string, released = false): string => `${HOLD_PREFIX}${id}${released ? RELEASED : ''}`

export function parseHoldName(name: string): { id: string; released: boolean } | undefined {
  const released = name.endsWith(RELEASED)
  const id = idUnder(HOLD_PREFIX, released ? name.slice(0, -RELEASED.length) : name)
  return id === undefined ? undefined : { id, released }
}

export function readerName(id: string, sequence: number): string {
  return `${READER_PREFIX}${id}/${String(sequence).padStart(8, '0')}`
}

export function parseReaderName(name: string): { id: string; sequence: number } | undefined {
  const match = /^readers\/([A-Za-z0-9_-]+)\/(\d{8})$/.exec(name)
  return match ? { id: match[1]!, sequence: Number(match[2]) } : undefined
}

/** In a tombstone: an object whose extents lie in a newer one as well. Its name is not dead by it. */
export const supersededName = (name: string): string => `superseded:${name}`

/** The object that a name of a tombstone is about. */
export const objectOf = (name: string): string => name.replace(/^superseded:/, '')

/** What a name stands for, as far as deletion may ever touch it; undefined: it may not. In the order of deletion. */
export const deletionOrder = [
  'confirmation',
  'manifest',
  'kept',
  'map',
  'pack',
  'trimmed',
  'superseded',
  'input',
  'wal',
] as const
export type Deletable = (typeof deletionOrder)[number]

const shapes: Readonly<Record<Deletable, RegExp>> = {
  confirmation: /^confirmed\/[A-Za-z0-9_-]+\/[A-Za-z0-9._-]+$/,
  manifest: /^manifests\/[A-Za-z0-9_-]+\/[A-Za-z0-9._-]+$/,
  kept: /^loads\/[A-Za-z0-9_-]+\/[A-Za-z0-9_-]+$/,
  map: /^maps\/[0-9a-f]{32}$/,
  pack: /^packs\/[0-9a-f]{2}\/[0-9a-f]{32}$/,
  trimmed: /^trimmed\/[0-9a-f]{2}\/[0-9a-f]{32}\/\d{6}$/,
  superseded: /^superseded:(?:packs\/[0-9a-f]{2}\/[0-9a-f]{32}|trimmed\/[0-9a-f]{2}\/[0-9a-f]{32}\/\d{6})$/,
  input: /^inputs\/([0-9a-f]{2})\/\1[0-9a-f]{62}-[1-9]\d?$/,
  wal: /^wal\/\d{1,20}\/[0-9a-f]{8}\/[0-9a-f]{8}\/[0-9a-f]{16}-[0-9a-f]{16}m?(?:-\d{1,4})?$/,
}

export function deletableKind(name: string): Deletable | undefined {
  return deletionOrder.find((kind) => shapes[kind].test(name))
}
