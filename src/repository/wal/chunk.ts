// One WAL chunk as a sealed object: head, change map and commits first, then the bytes in pieces.
import { createHash } from 'node:crypto'

import { isWharfError, messageOf } from '../../base/errors.ts'
import { freeNow } from '../../base/freed-memory.ts'
import { MIB } from '../../base/units.ts'
import { formatLsn, parseLsn } from '../../wal/lsn.ts'
import type { WalChunk, WalChunkInfo, WalIndexed } from '../contract.ts'
import { errors } from '../errors.ts'
import { damaged, readSections, type ReadOptions, type StoredSection } from '../object/decode.ts'
import { ObjectEncoder } from '../object/encode.ts'
import type { KeyRing } from '../keys/ring.ts'
import { decodeChangeMap, encodeChangeMap } from './change-map.ts'
import { decodeCommits, encodeCommits } from './commits.ts'
import { decodeContents, encodeContents } from './contents.ts'
import type { ChunkRange } from './names.ts'

const PIECE_BYTES = 4 * MIB
/** Every so many pieces of bytes one is decoded right after encoding; everything else always is. */
const VERIFY_EVERY = 4
const noLabel = Buffer.alloc(0)
/** PostgreSQL's own limit. */
const LARGEST_SEGMENT_BYTES = 1024 * MIB

/** Checked by hand: what `wharf wal get|push` load at each start must stay small. */
export interface ChunkHead {
  readonly systemIdentifier: string
  readonly timeline: number
  readonly startLsn: string
  readonly endLsn: string
  readonly walSegmentBytes: number
  readonly postgresVersion: number
  /** 64 hex digits. */
  readonly sha256: string
  readonly problem?: string
}

const texts = ['systemIdentifier', 'startLsn', 'endLsn', 'sha256'] as const
const numbers = ['timeline', 'walSegmentBytes', 'postgresVersion'] as const

/** Why a value is no head; undefined where it is one. */
function faultOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'its head is no object'
  const head = value as Readonly<Record<string, unknown>>
  for (const name of texts) if (typeof head[name] !== 'string') return `${name} of its head is no text`
  for (const name of numbers) if (!Number.isSafeInteger(head[name])) return `${name} of its head is no number`
  if (!/^[0-9a-f]{64}$/.test(head['sha256'] as string)) return 'sha256 of its head is no SHA-256'
  if (head['problem'] !== undefined && typeof head['problem'] !== 'string') return 'problem of its head is no text'
  const known: readonly string[] = [...texts, ...numbers, 'problem']
  const other = Object.keys(head).find((name) => !known.includes(name))
  return other === undefined ? undefined : `its head has "${other}", which is not known`
}

/** `sha256` of the chunk's bytes. */
export function encodeChunk(ring: KeyRing, object: { name: string; sha256: string }, chunk: WalChunk): Buffer[] {
  const encoder = new ObjectEncoder(ring, { name: object.name, kind: 'wal' })
  const pieces = [encoder.head.bytes]
  const head: ChunkHead = {
    systemIdentifier: chunk.systemIdentifier.toString(),
    timeline: chunk.timeline,
    startLsn: formatLsn(chunk.startLsn),
    endLsn: formatLsn(chunk.startLsn + BigInt(chunk.bytes.length)),
    walSegmentBytes: chunk.walSegmentBytes,
    postgresVersion: chunk.postgresVersion,
    sha256: object.sha256,
    ...(chunk.problem === undefined ? {} : { problem: chunk.problem }),
  }
  pieces.push(
    ...encoder.add(
      { type: 'walHead', label: encodeContents(chunk.contents), plain: Buffer.from(JSON.stringify(head)) },
      true,
    ).pieces,
  )
  if (chunk.changeMap) {
    pieces.push(
      ...encoder.add({ type: 'changeMap', label: noLabel, plain: encodeChangeMap(chunk.changeMap) }, true).pieces,
    )
  }
  pieces.push(...encoder.add({ type: 'commits', label: noLabel, plain: encodeCommits(chunk.commits) }, true).pieces)
  for (let at = 0, count = 0; at < chunk.bytes.length; at += PIECE_BYTES, count++) {
    const plain = chunk.bytes.subarray(at, at + PIECE_BYTES)
    pieces.push(...encoder.add({ type: 'walBytes', label: noLabel, plain }, count % VERIFY_EVERY === 0).pieces)
  }
  return [...pieces, ...encoder.end()]
}

export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function decodeHead(section: StoredSection, name: string, range: ChunkRange): ChunkHead {
  let value: unknown
  try {
    value = JSON.parse(section.plain.toString('utf8'))
  } catch {
    throw damaged(name, 'its head holds no JSON')
  }
  const fault = faultOf(value)
  if (fault !== undefined) throw errors.unknownFormat({ object: name, what: fault })
  const head = value as ChunkHead
  const same =
    head.systemIdentifier === range.systemIdentifier.toString() &&
    head.timeline === range.timeline &&
    parseLsn(head.startLsn) === range.startLsn &&
    parseLsn(head.endLsn) === range.endLsn
  if (!same) throw damaged(name, 'its head does not agree with its name')
  return head
}

interface Decoding {
  head: ChunkHead | undefined
  changeMap: WalChunk['changeMap']
  commits: WalChunk['commits'] | undefined
  contents: WalChunk['contents']
}

function takeIndexSection(decoding: Decoding, section: StoredSection, info: WalChunkInfo): void {
  const name = info.object
  try {
    if (section.type === 'walHead') {
      decoding.head = decodeHead(section, name, info)
      decoding.contents = decodeContents(section.label)
    } else if (section.type === 'changeMap')
      decoding.changeMap = decodeChangeMap(section.plain, `the change map of ${name}`)
    else if (section.type === 'commits') decoding.commits = decodeCommits(section.plain, `the commits of ${name}`)
    else throw damaged(name, `section ${section.number} (${section.type}) has no place in a WAL chunk`)
  } catch (error) {
    if (error instanceof RangeError || isWharfError(error, 'bytes.past-end')) throw damaged(name, messageOf(error))
    throw error
  }
}

function indexOf(decoding: Decoding, name: string): WalIndexed & { head: ChunkHead } {
  const { head, changeMap, commits, contents } = decoding
  if (!head || !commits) throw damaged(name, 'its head is missing')
  return { head, changeMap, commits, problem: head.problem, ...(contents === undefined ? {} : { contents }) }
}

/** Head, change map and commits: usually one range read of 64 KiB. */
export async function readChunkIndex(
  info: WalChunkInfo,
  options: ReadOptions,
): Promise<WalIndexed & { head: ChunkHead }> {
  const decoding: Decoding = { head: undefined, changeMap: undefined, commits: undefined, contents: undefined }
  for await (const section of readSections(info.object, 'wal', options)) {
    if (section.type === 'walBytes') break
    takeIndexSection(decoding, section, info)
    if (decoding.commits) break
  }
  return indexOf(decoding, info.object)
}

/**
 * The whole chunk, its object and its SHA-256 proven. `into`: exactly as long as the chunk, takes its bytes; what it holds after a rejection is worth
 * nothing.
 */
export async function readChunk(info: WalChunkInfo, options: ReadOptions, into?: Buffer): Promise<WalChunk> {
  const decoding: Decoding = { head: undefined, changeMap: undefined, commits: undefined, contents: undefined }
  const wanted = Number(info.endLsn - info.startLsn)
  if (wanted > LARGEST_SEGMENT_BYTES) throw damaged(info.object, 'its name claims more than a segment')
  const bytes = into ?? Buffer.allocUnsafeSlow(wanted)
  const hash = createHash('sha256')
  let length = 0
  for await (const section of readSections(info.object, 'wal', { ...options, objectBytes: info.storedBytes })) {
    if (section.type === 'walBytes') {
      hash.update(section.plain)
      section.plain.copy(bytes, length)
      length += section.plain.length
      freeNow(section.plain)
    } else takeIndexSection(decoding, section, info)
  }
  const { head, ...index } = indexOf(decoding, info.object)
  if (length !== bytes.length) throw damaged(info.object, `it holds ${length} bytes of WAL`)
  if (hash.digest('hex') !== head.sha256) throw damaged(info.object, 'the SHA-256 of its WAL is wrong')
  return {
    systemIdentifier: info.systemIdentifier,
    timeline: info.timeline,
    startLsn: info.startLsn,
    walSegmentBytes: head.walSegmentBytes,
    postgresVersion: head.postgresVersion,
    bytes,
    ...index,
  }
}
